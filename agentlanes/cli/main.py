"""`agentlanes`: the command line's front door.

A command's module is imported only when that command is asked for, so that `--version` and a
wrong option answer at once and a missing extra disturbs nobody who does not use it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType

from agentlanes import __version__
from agentlanes.errors import AgentLanesError, MissingExtra

__all__ = ["main"]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """A command and the module that has its `add_arguments(parser)` and `main(args) -> int`."""

    words: tuple[str, ...]
    module: str
    help: str
    extra: str | None = None


_COMMANDS = (
    _Command(
        words=("run",),
        module="agentlanes.cli.run",
        help="run a graph on an input and show both lanes as they go",
    ),
    _Command(
        words=("report",),
        module="agentlanes.cli.report",
        help="show where the time of runs went, and compare and check them",
    ),
    _Command(
        words=("up",),
        module="agentlanes.local.up",
        help="serve both lanes from this machine",
        extra="local",
    ),
    _Command(
        words=("endpoint",),
        module="agentlanes.cli.endpoint",
        help="serve a scripted endpoint with latencies and faults, to test agents against",
        extra="testing",
    ),
    _Command(
        words=("doctor",),
        module="agentlanes.cli.doctor",
        help="check both lanes and what surrounds them, and say what to change",
    ),
    _Command(
        words=("router",),
        module="agentlanes.cli.router",
        help="train the router, evaluate it, and let it learn from runs",
    ),
    _Command(
        words=("bench", "bfcl"),
        module="agentlanes.bench.bfcl",
        help="BFCL's multi-turn tasks, run ahead and serial",
        extra="all",
    ),
    _Command(
        words=("bench", "peers"),
        module="agentlanes.bench.peers",
        help="the same tasks by agentlanes and by what people would use instead",
    ),
)

_GROUPS = {"bench": "measure on whole tasks"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments, without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 1 a typed error (its message is on stderr), 2 bad usage, 130
        Ctrl-C.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
        agentlanes 0.1.0
    """
    given = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter shows a "?"
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    command = _chosen(given)
    try:
        parser = _parser(command)
        args = parser.parse_args(given)
        if command is None:
            parser.print_help()
            return 2
        code: int = import_module(command.module).main(args)
    except SystemExit as ended:  # argparse: --help, --version or bad usage
        return ended.code if isinstance(ended.code, int) else 2
    except AgentLanesError as error:
        sys.stderr.write(f"agentlanes: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("agentlanes: interrupted\n")
        return INTERRUPTED
    return code


def _chosen(given: Sequence[str]) -> _Command | None:
    """Find the command by its leading words: only that one's module is imported."""
    words = tuple(word for word in given if not word.startswith("-"))
    return next((c for c in _COMMANDS if words[: len(c.words)] == c.words), None)


def _parser(command: _Command | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agentlanes",
        description="Dual-lane agents: a fast lane acts ahead while a reasoning lane verifies.",
    )
    parser.add_argument("--version", action="version", version=f"agentlanes {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    groups = {}
    for name, text in _GROUPS.items():
        group = commands.add_parser(name, help=text, description=text)
        groups[name] = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for known in _COMMANDS:
        where = groups.get(known.words[0], commands)
        sub = where.add_parser(known.words[-1], help=known.help, description=known.help)
        if known is command:
            _load(known).add_arguments(sub)
    return parser


def _load(command: _Command) -> ModuleType:
    try:
        return import_module(command.module)
    except ModuleNotFoundError as error:
        if command.extra is None or (error.name or "").partition(".")[0] == "agentlanes":
            raise
        name = " ".join(command.words)
        raise MissingExtra(f"`agentlanes {name}` ({error.name})", command.extra) from error


if __name__ == "__main__":
    sys.exit(main())
