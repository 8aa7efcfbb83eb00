"""`agentlanes doctor`: check both lanes and what surrounds them, and say what to change."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentlanes.cli.surroundings import look_around
from agentlanes.config import Settings
from agentlanes.lanes.defaults import default_lanes
from agentlanes.lanes.doctor import Examination, Finding, Level, examine, suggestion
from agentlanes.lanes.lane import Lane, LaneRole
from agentlanes.lanes.urls import safe_url

__all__ = ["add_arguments", "main"]

_ROLES: tuple[LaneRole, ...] = ("act", "reason")
_STYLES: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "note": ("note", "yellow"),
    "problem": ("PROBLEM", "bold red"),
    "skipped": ("skipped", "dim"),
}
_PIPE_WIDTH = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on its parser."""
    for role in _ROLES:
        parser.add_argument(f"--{role}-url", metavar="URL", help=f"the {role} lane's endpoint")
        parser.add_argument(f"--{role}-model", metavar="NAME", help="and its model")
    parser.add_argument(
        "--lane", choices=("both", *_ROLES), default="both", help="which lanes to look at"
    )
    parser.add_argument("--api", choices=("chat", "responses"), help="the API that they are to use")
    parser.add_argument("--calls", type=int, default=3, help="calls to time (default %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="for each lane (default 120)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def main(args: argparse.Namespace) -> int:
    """Look at everything and say what was found. Lanes are those of the environment by default.

    Returns:
        0 when nothing is a problem, else 1.
    """
    settings = Settings.from_env()
    chosen: Sequence[LaneRole] = _ROLES if args.lane == "both" else (args.lane,)
    lanes = {role: _lane(role, args, settings) for role in chosen}
    console = Console(
        width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False
    )
    found, around = asyncio.run(_look(lanes, args, settings, None if args.json else console))
    healthy = all(e.healthy for e in found) and all(f.level != "problem" for f in around)
    if args.json:
        print(json.dumps(_as_json(found, around, settings, healthy=healthy), indent=2))
        return 0 if healthy else 1
    console.print(_table("Surroundings", around))
    console.print("[bold]What this comes to[/bold]\n")
    for each in found:
        console.print(Text(suggestion(each, key_name=_key_name(each, settings))), soft_wrap=True)
    problems = sum(f.level == "problem" for f in [*around, *(f for e in found for f in e.findings)])
    notes = sum(f.level == "note" for f in [*around, *(f for e in found for f in e.findings)])
    console.print(f"\n{problems} problems, {notes} notes")
    return 0 if healthy else 1


async def _look(
    lanes: dict[LaneRole, Lane],
    args: argparse.Namespace,
    settings: Settings,
    console: Console | None,
) -> tuple[list[Examination], list[Finding]]:
    found: list[Examination] = []
    for role, lane in lanes.items():
        each = await examine(
            lane,
            role,
            calls=max(1, args.calls),
            limit_s=args.timeout,
            settings=settings,
            any_model=getattr(args, f"{role}_model") is None,
        )
        found.append(each)
        if console is not None:
            where = "" if lane.base_url is None else f" at {safe_url(lane.base_url)}"
            console.print(_table(f"{role} lane: {each.lane.model}{where}", each.findings))
    return found, await look_around(settings, tuple(each.lane for each in found))


def _lane(role: LaneRole, args: argparse.Namespace, settings: Settings) -> Lane:
    """Give the lane to look at: the environment's, changed by what the options say."""
    url, model = getattr(args, f"{role}_url"), getattr(args, f"{role}_model")
    act, reason = default_lanes(settings)
    lane = act if role == "act" else reason
    if url is not None:
        key = settings.act_key if role == "act" else settings.reason_key
        lane = Lane(model or role, base_url=url, api_key=key)
    elif model is not None:
        lane = replace(lane, model=model)
    return lane if args.api is None else replace(lane, api=args.api)


def _table(title: str, findings: Sequence[Finding]) -> Table:
    table = Table(
        title=Text(title, style="bold"), title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found", ratio=3, overflow="fold")
    table.add_column("what to change", ratio=2, overflow="fold")
    for each in findings:
        word, style = _STYLES[each.level]
        table.add_row(Text(word, style=style), each.check, Text(each.found), Text(each.advice))
    table.add_row("")
    return table


def _key_name(found: Examination, settings: Settings) -> str | None:
    """Name the variable that the lane's key came from."""
    key = settings.act_key if found.role == "act" else settings.reason_key
    return f"AGENTLANES_{found.role.upper()}_KEY" if key is not None else None


def _as_json(
    found: Sequence[Examination], around: Sequence[Finding], settings: Settings, *, healthy: bool
) -> dict[str, Any]:
    lanes: dict[str, Any] = {}
    for each in found:
        facts = asdict(each.facts)
        facts["owners"], facts["server"] = sorted(each.facts.owners), each.facts.server
        lanes[each.role] = {
            "model": each.lane.model,
            "base_url": None if each.lane.base_url is None else safe_url(each.lane.base_url),
            "healthy": each.healthy,
            "findings": [asdict(finding) for finding in each.findings],
            "facts": facts,
            "suggestion": suggestion(each, key_name=_key_name(each, settings)),
        }
    return {"ok": healthy, "lanes": lanes, "surroundings": [asdict(f) for f in around]}
