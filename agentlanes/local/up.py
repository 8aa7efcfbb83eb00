"""`agentlanes up`: serve both lanes from this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType

from agentlanes.errors import AgentLanesError
from agentlanes.lanes.defaults import LOCAL_PORTS
from agentlanes.lanes.lane import Lane
from agentlanes.local.catalog import DEFAULT_ACT, DEFAULT_REASON, MODELS
from agentlanes.local.lanes import LocalLanes

__all__ = ["add_arguments", "main"]

_WATCH_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    names = ", ".join(MODELS)
    parser.add_argument(
        "--act", default=DEFAULT_ACT, metavar="MODEL", help=f"a GGUF file, or one of {names}"
    )
    parser.add_argument("--reason", default=DEFAULT_REASON, metavar="MODEL", help="likewise")
    parser.add_argument(
        "--port",
        type=int,
        default=LOCAL_PORTS["act"],
        help="the act lane's port, the reason lane takes the next one (default %(default)s, where "
        "commands without further options look); 0 takes free ones",
    )
    parser.add_argument("--ctx", type=int, default=8192, help="context of each lane, in tokens")
    parser.add_argument("--threads", type=int, help="threads of each server; all cores by default")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def main(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Returns:
        0 when told to end, 1 when a lane could not be served or ended by itself, 130 when a
        download was interrupted.
    """
    ended, serving = threading.Event(), False

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()
        if not serving:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    lanes = LocalLanes(
        args.act,
        args.reason,
        progress=not args.quiet,
        act_port=args.port,
        reason_port=args.port + 1 if args.port else 0,
        ctx=args.ctx,
        threads=args.threads,
    )
    try:
        with lanes as (act, reason):
            serving = True
            _print_lanes(act, reason)
            return _watch(lanes, ended)
    except KeyboardInterrupt:
        _note("Stopped before serving; what was downloaded is kept.")
        return 130
    except AgentLanesError as error:
        _note(str(error))
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(lanes: LocalLanes, ended: threading.Event) -> int:
    while not ended.wait(_WATCH_S):
        for server in lanes.servers:
            if not server.alive:
                _note(f"The server of {server.alias} ended. Its log:\n{server.log_tail()}")
                return 1
    return 0


def _print_lanes(act: Lane, reason: Lane) -> None:
    _out(f"act lane     {act.base_url}  ({act.model})")
    _out(f"reason lane  {reason.base_url}  ({reason.model})")
    _out("\nfrom agentlanes.lanes.lane import Lane, Timers\n")
    _out(f"slow = {act.timers!r}")
    for role, lane in (("act", act), ("reason", reason)):
        _out(
            f'{role} = Lane("{lane.model}", base_url="{lane.base_url}", tool_format="json",\n'
            f"    temperature=0, max_tokens={lane.max_tokens}, timers=slow)"
        )
    _out("\nServing until Ctrl-C.")


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
