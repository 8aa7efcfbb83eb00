"""`agentlanes router`: train the gate, evaluate it, and let it learn from runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module

from agentlanes.errors import MissingExtra

__all__ = ["SUBCOMMANDS", "Subcommand", "add_arguments", "main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """A subcommand and the module that has its `add_arguments(parser)` and `main(args) -> int`."""

    name: str
    module: str
    help: str


SUBCOMMANDS: tuple[Subcommand, ...] = (
    Subcommand(
        name="train",
        module="agentlanes.cli.router_train",
        help="fit the gate's weights to data, and measure them on sources left out",
    ),
    Subcommand(
        name="eval",
        module="agentlanes.cli.router_eval",
        help="measure the router, or a peer, on labelled data",
    ),
    Subcommand(
        name="learn",
        module="agentlanes.cli.router_learn",
        help="retrain on the verdicts of past runs, and measure on runs held back",
    ),
)
"""One line a subcommand. Their modules are imported when `agentlanes router` is asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands on the command's parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for known in SUBCOMMANDS:
        sub = commands.add_parser(known.name, help=known.help, description=known.help)
        import_module(known.module).add_arguments(sub)
        sub.set_defaults(subcommand=known)


def main(args: argparse.Namespace) -> int:
    """Run the subcommand that was chosen.

    Raises:
        MissingExtra: It needs a package that is not installed.
    """
    known: Subcommand = args.subcommand
    try:
        code: int = import_module(known.module).main(args)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "agentlanes":
            raise
        raise MissingExtra(f"`agentlanes router {known.name}` ({error.name})", "train") from error
    return code
