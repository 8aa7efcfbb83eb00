"""`agentlanes router train`: fit the gate's weights to data, and say what they are worth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agentlanes.errors import ConfigError
from agentlanes.router.training.card import write_card
from agentlanes.router.training.pipeline import train
from agentlanes.router.training.report import report, table_text

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    parser.add_argument(
        "data",
        nargs="+",
        type=Path,
        metavar="DATA",
        help="JSON-lines files, or folders of them: rows with text and label, or correct",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the weights go"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the made rows (default: 0)")
    parser.add_argument(
        "--no-made",
        action="store_false",
        dest="made",
        help="train on the data alone, without requests written by code",
    )
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="write the figures into this model card"
    )
    parser.add_argument("--quiet", action="store_true", help="print the table and nothing else")


def main(args: argparse.Namespace) -> int:
    """Train, print the table of sources left out, and write the weights.

    Raises:
        ConfigError: The data cannot be read or learned from, or the weights cannot be written.
    """
    for place in (args.out, args.card):
        if place is not None and not place.resolve().parent.is_dir():
            raise ConfigError(f"there is no folder {place.resolve().parent}")

    def say(line: str) -> None:
        if not args.quiet:
            sys.stderr.write(f"{line}\n")

    trained = train(args.data, seed=args.seed, made=args.made, say=say)
    lines = report(trained)
    print(table_text(lines), end="")
    try:
        args.out.write_text(trained.weights.to_json(), encoding="utf-8")
        if args.card is not None:
            write_card(args.card, trained, lines)
    except OSError as error:
        raise ConfigError(f"the weights cannot be written: {error}") from error
    print(f"weights: {args.out}")
    return 0
