"""`agentlanes router eval`: measure the router, or a peer, on labelled data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from agentlanes.errors import ConfigError
from agentlanes.router.evaluation import PEERS, Figures, Sample, figures_of, read_samples, scorer
from agentlanes.router.rules import load_router

__all__ = ["add_arguments", "main"]

_BESIDE = ("length", "random")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="JSON lines with text and label, or weak and strong scores, or a correct map",
    )
    parser.add_argument(
        "--json", type=Path, metavar="OUT", dest="json_file", help="write the figures here"
    )
    parser.add_argument("--weak", metavar="MODEL", help="take weak scores from the correct map")
    parser.add_argument("--strong", metavar="MODEL", help="take strong scores from it")
    parser.add_argument(
        "--router",
        action="append",
        choices=["ours", *PEERS],
        metavar="NAME",
        help=f"what to measure: ours (default), {', '.join(PEERS)}; may be given again to print "
        "them side by side, the first goes to --json",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights of ours; the shipped ones by default"
    )
    parser.add_argument(
        "--python", type=Path, metavar="PATH", help="interpreter that has litellm, for its routers"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")


def main(args: argparse.Namespace) -> int:
    """Print the figures, length alone and a random order beside them; write the JSON list.

    Raises:
        ConfigError: A file cannot be read, or a router is not there.
    """
    if bool(args.weak) != bool(args.strong):
        raise ConfigError("--weak and --strong go together")
    if args.json_file is not None and not args.json_file.resolve().parent.is_dir():
        raise ConfigError(f"there is no folder {args.json_file.resolve().parent}")
    names = list(dict.fromkeys([*(args.router or ["ours"]), *_BESIDE]))
    router = load_router(args.weights)
    scorers = {name: scorer(name, router=router, python=args.python) for name in names}
    written: list[Figures] = []
    _print_head()
    for file in args.files:
        samples = read_samples(file, weak=args.weak, strong=args.strong)
        for name, score in scorers.items():
            scores, took = score(samples)
            found = list(_by_source(str(file), samples, scores, took, args.seed))
            _print(name, found)
            if name == names[0]:
                written += found
    if args.json_file is not None:
        body = json.dumps([asdict(figures) for figures in written], indent=1, allow_nan=False)
        try:
            args.json_file.write_text(f"{body}\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the figures cannot be written: {error}") from error
    return 0


def _by_source(
    file: str, samples: Sequence[Sample], scores: Sequence[float], took: Sequence[float], seed: int
) -> Iterator[Figures]:
    for source in [*sorted({sample.source for sample in samples}), "all"]:
        chosen = [i for i, s in enumerate(samples) if source in ("all", s.source)]
        yield figures_of(
            file,
            source,
            [samples[i] for i in chosen],
            [scores[i] for i in chosen],
            [took[i] for i in chosen] if took else [],
            seed=seed,
        )


def _print_head() -> None:
    print(
        f"{'file':28} {'source':24} {'router':10} {'rows':>6} {'auroc':>6} {'acc':>6} {'ece':>6} "
        f"{'apgr':>6} {'cpt50':>6} {'cpt80':>6} {'p50us':>6} {'p99us':>6}"
    )


def _print(router: str, found: Sequence[Figures]) -> None:
    for f in found:
        numbers = [f.auroc, f.accuracy, f.ece, f.apgr, f.cpt50, f.cpt80]
        shown = " ".join("     -" if x is None else f"{x:6.3f}" for x in numbers)
        times = " ".join("     -" if x is None else f"{x:6.0f}" for x in (f.p50_us, f.p99_us))
        print(
            f"{Path(f.file).name[:28]:28} {f.source[:24]:24} {router:10} {f.rows:6} {shown} {times}"
        )
