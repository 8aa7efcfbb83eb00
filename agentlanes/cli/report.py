"""`agentlanes report`: where the time of runs went, as text, as a page, as JSON, as a check."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from agentlanes.config import Settings
from agentlanes.errors import ConfigError
from agentlanes.latency.jsonl import LoggedRun, read_run, read_runs
from agentlanes.latency.prices import Price
from agentlanes.latency.report.page import report_page
from agentlanes.latency.report.summary import Report, gather
from agentlanes.latency.report.terminal import report_text
from agentlanes.latency.slo import PROFILE_SLOS, Slo, read_slos
from agentlanes.latency.table import format_ms

__all__ = ["add_arguments", "main"]

DONE, BROKEN, USAGE = 0, 1, 2

PIPE_WIDTH = 100
"""Columns, at least, where stdout is no terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    parser.add_argument(
        "runs",
        metavar="RUNS",
        nargs="*",
        type=Path,
        help="run files, or folders of them; by default what `agentlanes run` has written",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to look at")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="BEFORE",
        nargs="+",
        default=[],
        help="runs from before a change, to compare RUNS with",
    )
    parser.add_argument(
        "--check",
        metavar="SLO.toml",
        nargs="?",
        const="",
        help="exit with 1 when an error budget is broken: of these service levels, or by default "
        "of the workload profiles'",
    )
    parser.add_argument(
        "--json", type=Path, metavar="OUT", dest="json_file", help="write every figure here"
    )
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE.toml",
        help="what models cost: a table a model, with input_usd, output_usd and cached_usd, in "
        "dollars a million tokens",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but what is broken")


def main(args: argparse.Namespace) -> int:
    """Report on runs.

    Returns:
        0; 1 when `--check` finds a broken error budget; 2 when there are no runs to report on, or
        a file cannot be read or written.
    """
    given: list[Path] = list(args.runs)
    levels = args.check or None
    if levels is not None and not levels.endswith(".toml"):
        given.append(Path(levels))  # `--check RUNS`: what follows it is no file of service levels
        levels = None
    try:
        runs = list(_read(given or [Settings.from_env().runs_dir]))
        report = gather(
            runs,
            before=list(_read(args.compare)),
            slos=_levels(levels),
            prices=_prices(args.prices) if args.prices else None,
        )
        _write(report, args.html, args.json_file)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"agentlanes: {error}\n")
        return USAGE
    if not args.quiet:
        _print(report)
    for path in (args.html, args.json_file):
        if path is not None and not args.quiet:
            sys.stderr.write(f"agentlanes: wrote {path}\n")
    return _checked(report) if args.check is not None else DONE


def _read(paths: Sequence[Path]) -> Iterator[LoggedRun]:
    for path in paths:
        if not path.exists():
            raise ConfigError(f"there is no {path}; `agentlanes run GRAPH INPUT` writes run files")
        runs = list(read_runs(path)) if path.is_dir() else [read_run(path)]
        found = [run for run in runs if run.head]
        if not found:
            kind = "folder holds no run files" if path.is_dir() else "is no run file"
            raise ConfigError(f"{path} {kind}; `agentlanes run GRAPH INPUT` writes them")
        yield from found


def _levels(file: str | None) -> Sequence[Slo]:
    return PROFILE_SLOS if file is None else read_slos(file)


def _prices(file: Path) -> dict[str, Price]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        return {model: Price(**table) for model, table in tables.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ConfigError(
            f"{file} holds no prices ({error}); a model's table has input_usd, output_usd and "
            "perhaps cached_usd"
        ) from None


def _write(report: Report, html: Path | None, json_file: Path | None) -> None:
    if html is not None:
        html.write_text(report_page(report), encoding="utf-8")
    if json_file is not None:
        text = json.dumps(report.to_json(), indent=1, ensure_ascii=False)
        json_file.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")


def _print(report: Report) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPE_WIDTH)
    for part in report_text(report):
        console.print(part)


def _checked(report: Report) -> int:
    for result in report.levels.broken:
        sys.stderr.write(
            f"agentlanes: {result.slo.name} is broken: {result.slow} of {result.steps} steps took "
            f"{format_ms(result.slo.target_ms)} or longer, and {result.allowed:g} may\n"
        )
    return DONE if report.levels.ok else BROKEN
