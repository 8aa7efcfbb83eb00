"""Retrieval: questions of several hops over a generated archive; every call is a read.

A person's page names an employer, the employer's page a town, the town's page a figure. Each hop
is a search, which gives a page's number, and the reading of that page. A question about several
people asks for hops that do not depend on each other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.made import Made, MadeItems, spec

__all__ = ["retrieval"]

_PEOPLE, _FIRMS, _TOWNS = 400, 80, 40


def _archive() -> dict[str, Any]:
    draw = random.Random(7)
    pages: dict[str, dict[str, Any]] = {}
    for n in range(_PEOPLE):
        pages[f"Person{n:03d}"] = {"employer": f"Firm{draw.randrange(_FIRMS):02d}"}
    for n in range(_FIRMS):
        pages[f"Firm{n:02d}"] = {"town": f"Town{draw.randrange(_TOWNS):02d}"}
    for n in range(_TOWNS):
        pages[f"Town{n:02d}"] = {"people": draw.randrange(10_000, 900_000)}
    numbers = draw.sample(range(10_000, 99_999), len(pages))
    return {
        "number": dict(zip(pages, numbers, strict=True)),
        "page": dict(zip(numbers, pages.values(), strict=True)),
        "read": [],
    }


def _search(state: Any, name: str) -> Any:
    return {"page": state["number"].get(name)}


def _open(state: Any, page: int) -> Any:
    state["read"].append(page)
    return state["page"].get(page, {"error": "no such page"})


def _hops(state: Any, person: str) -> list[Call]:
    calls, name = [], person
    for key in ("employer", "town", "people"):
        number = state["number"][name]
        calls += [Call("search", {"name": name}), Call("open_page", {"page": number})]
        name = state["page"][number][key]
    return calls


def _altered(call: Call, draw: random.Random) -> Call:
    if call.tool == "search":
        return Call("search", {"name": f"Firm{draw.randrange(_FIRMS):02d}x"})
    return Call("open_page", {"page": call.args["page"] + 1})


def _fault(needed: Sequence[int], state: Any, calls: Sequence[Call]) -> str:
    unread = [page for page in needed if page not in state["read"]]
    return f"pages {unread} were not read" if unread else ""


def retrieval(tasks: int = 100) -> MadeItems:
    """Generate the workload."""
    draw, archive = random.Random(11), _archive()
    made = []
    for _ in range(tasks):
        people = [f"Person{n:03d}" for n in draw.sample(range(_PEOPLE), draw.randint(1, 3))]
        calls = tuple(call for person in people for call in _hops(archive, person))
        needed = [call.args["page"] for call in calls if call.tool == "open_page"]
        text = f"How many people live where {' and '.join(people)} work?"
        made.append(Made(text=text, calls=calls, state=_archive, right=partial(_fault, needed)))
    return MadeItems(
        "retrieval",
        {"search": _search, "open_page": _open},
        {
            # It gives a number of its own; pages are what others wrote.
            "search": spec(
                "search", "Find the page about a name.", {"name": "string"}, "read", trusted=True
            ),
            "open_page": spec("open_page", "Read a page.", {"page": "integer"}, "read"),
        },
        made,
        _altered,
    )
