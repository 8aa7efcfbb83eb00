"""`agentlanes endpoint`: an endpoint with latencies and faults to run one's own agent against."""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentlanes.errors import ConfigError
from agentlanes.testing.faults import Fault, FaultPlan, matches, parse_fault, random_faults
from agentlanes.testing.latency import Latency, LatencySource, LogNormal
from agentlanes.testing.standin import StandIn

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import EndpointServer, RequestLog

__all__ = ["PROFILES", "add_arguments", "main"]

PROFILES: Mapping[str, Callable[[int], LatencySource]] = {
    "instant": lambda seed: Latency(),
    "fast": lambda seed: LogNormal(median_s=0.2, p95_s=0.6, token_s=0.01, seed=seed),
    "reasoning": lambda seed: LogNormal(median_s=6.0, p95_s=20.0, token_s=0.02, seed=seed),
}
"""Times to first token: none; a small hosted model's; a reasoning model's, which are assumptions
and no measurement of anybody's endpoint."""

_MODELS = ("act", "reason", "*")
_ASK_CHARS = 48
_STATUS_FAULT = re.compile(r"^status=(\d{3})(?=$|:)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="[MODEL=]PROFILE",
        help=f"how long answers take: {', '.join(PROFILES)}, for all models or for one "
        "(default: fast, and reasoning for models whose name begins with `reason`)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="[MODEL=]KIND[:P]",
        help="what goes wrong, with which probability: stall:0.01, status=503:0.05, "
        "status(status=429,retry_after=2):0.1, cut:0.02; may be given several times",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other draws")
    parser.add_argument("--host", default="127.0.0.1", help="address (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port (default: a free one)")
    parser.add_argument(
        "--api", choices=("both", "chat", "responses"), default="both", help="which APIs it serves"
    )
    parser.add_argument("--quiet", action="store_true", help="no line for each request")


def main(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Returns:
        0 when told to end.

    Raises:
        ConfigError: A profile or a fault is none, or the port is taken.
        MissingExtra: The extra `testing` is not installed.
    """
    from agentlanes.testing.endpoint import EndpointServer

    ended = threading.Event()
    board = _Board(quiet=args.quiet)
    server = EndpointServer(
        {
            name: StandIn(reasoning=name == "reason" or _profile_of(args, name) == "reasoning")
            for name in _MODELS
        },
        latency={name: PROFILES[_profile_of(args, name)](args.seed) for name in _names(args)},
        faults=_faults(args.fault, args.seed),
        host=args.host,
        port=args.port,
        apis=("chat", "responses") if args.api == "both" else (args.api,),
        on_end=board.note,
    )
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with server.serve_in_thread():
            _introduce(server, args)
            while not ended.wait(1.0):  # an untimed wait would not hear signals on every system
                pass
    except OSError as error:
        raise ConfigError(
            f"{args.host}:{args.port} cannot be listened on ({error.strerror or error}); choose "
            "another --port, or 0 for a free one"
        ) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    board.summarise(server.requests)
    return 0


def _profiles(args: argparse.Namespace) -> dict[str, str]:
    """Give the profiles by model, the default ones first."""
    chosen = {"*": "fast", "reason*": "reasoning"}
    for given in args.profile:
        model, named, profile = str(given).rpartition("=")
        if profile not in PROFILES:
            raise ConfigError(f"there is no profile {profile!r}; choose {', '.join(PROFILES)}")
        if not named:
            chosen = {"*": profile}
        else:
            chosen[model] = profile
    return chosen


def _names(args: argparse.Namespace) -> list[str]:
    return list(_profiles(args))


def _profile_of(args: argparse.Namespace, model: str) -> str:
    chosen = _profiles(args)
    if model in chosen:
        return chosen[model]
    fitting = [name for name in chosen if name.endswith("*") and matches(name, model)]
    return chosen[max(fitting, key=len)]


def _faults(given: Sequence[str], seed: int) -> FaultPlan | None:
    """Read the faults; each model's are drawn by themselves."""
    by_model: dict[str, list[tuple[Fault, float]]] = {}
    for text in given:
        model, named, rest = text.partition("=")
        if not named or not re.fullmatch(r"[\w.*/-]+", model) or model == "status":
            model, rest = "*", text
        try:
            by_model.setdefault(model, []).append(parse_fault(_STATUS_FAULT.sub(r"\1", rest)))
        except ValueError as error:
            raise ConfigError(f"--fault {text}: {error}") from None
    try:
        plans = [
            random_faults(*chances, seed=seed, model=model) for model, chances in by_model.items()
        ]
    except ValueError as error:
        raise ConfigError(f"--fault: {error}") from None

    def plan(log: RequestLog) -> Fault | None:
        return next((fault for each in plans if (fault := each(log)) is not None), None)

    return plan if plans else None


def _introduce(server: EndpointServer, args: argparse.Namespace) -> None:
    url = server.base_url
    _say(f"Serving {url}  (models: act, reason, and any other name)")
    shown = ", ".join(f"{name}: {profile}" for name, profile in _profiles(args).items())
    _say(f"Latency {shown}; faults: {', '.join(args.fault) or 'none'}; seed {args.seed}\n")
    _say("For any OpenAI client:")
    _say(f"  export OPENAI_BASE_URL={url} OPENAI_API_KEY=none")
    _say("For agentlanes' default lanes:")
    _say(f"  export AGENTLANES_ACT_URL={url} AGENTLANES_ACT_MODEL=act")
    _say(f"  export AGENTLANES_REASON_URL={url} AGENTLANES_REASON_MODEL=reason")
    _say("In code:")
    _say(f'  Lane("act", base_url="{url}")\n')
    _say("Ctrl-C ends it.")


class _Board:
    """Prints a line for each request, and what it all came to."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()

    def note(self, log: RequestLog) -> None:
        if self._quiet:
            return
        at = log.t_start - self._began
        how = ("background" if log.body.get("background") else "stream") if log.stream else "whole"
        end = log.t_end if log.t_end is not None else time.monotonic()
        status = "left" if log.aborted else str(log.status or "-")
        fault = f"  fault: {log.fault.kind}" if log.fault is not None else ""
        _say(
            f"{at:8.2f}s  {log.api:<9} {log.model:<10.10} {how:<10} {status:>4} "
            f"{(end - log.t_start) * 1000:8.0f} ms  {_asked(log.body)}{fault}"
        )

    def summarise(self, requests: Sequence[RequestLog]) -> None:
        statuses = Counter("left" if log.aborted else str(log.status or "-") for log in requests)
        faults = Counter(str(log.fault.kind) for log in requests if log.fault is not None)
        times_ms = sorted(
            (log.t_end - log.t_start) * 1000 for log in requests if log.t_end is not None
        )
        _say(f"\n{len(requests)} requests")
        if not requests:
            return
        _say(f"  answered: {_counts(statuses)}")
        _say(f"  faults:   {_counts(faults) or 'none'}")
        _say(f"  models:   {_counts(Counter(log.model or '-' for log in requests))}")
        if times_ms:
            p95_ms = times_ms[min(len(times_ms) - 1, round(0.95 * (len(times_ms) - 1)))]
            _say(f"  times:    p50 {statistics.median(times_ms):.0f} ms, p95 {p95_ms:.0f} ms")


def _counts(of: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in of.most_common())


def _asked(body: Mapping[str, Any]) -> str:
    """Give the last thing that was said, in short, and how many tools were offered."""
    said = body.get("messages") or body.get("input") or ""
    if isinstance(said, list):
        last = said[-1] if said and isinstance(said[-1], Mapping) else {}
        said = last.get("content") or last.get("output") or last.get("arguments") or ""
    text = " ".join(str(said).split())
    shown = text if len(text) <= _ASK_CHARS else text[: _ASK_CHARS - 1] + "…"
    tools = len(body.get("tools") or ())
    return f"{shown!r}" + (f" +{tools} tools" if tools else "")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
