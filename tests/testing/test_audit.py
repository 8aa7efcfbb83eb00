from __future__ import annotations

import asyncio
import copy
import decimal
import io
import random
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool
from rich.console import Console

from agentlanes import effect
from agentlanes.speculation.session import Session
from agentlanes.testing import Auditor, audit_effect, audit_table


class Shop:
    """A world with one tool for each way to be honest or not."""

    def __init__(self) -> None:
        self.stock = {"pen": 3}
        self._views: dict[str, int] = {}
        self._random = random.Random(7)
        self.__ledger: list[str] = []
        self.discount = 10

    def look(self, item: str) -> dict[str, Any]:
        return {"left": self.stock.get(item, 0)}

    def look_and_count(self, item: str) -> int:
        self._views[item] = self._views.get(item, 0) + 1
        return self.stock.get(item, 0)

    def temperature(self) -> float:
        return self._random.uniform(0, 1)

    def price(self, pence: int) -> int:
        return pence * (100 - self.discount)

    def double(self, number: int) -> int:
        return 2 * number

    def buy(self, item: str) -> str:
        self.stock[item] -= 1
        self.__ledger.append(item)
        return item

    def put_back(self, args: dict[str, Any], result: str | None, key: str) -> None:
        if self.__ledger:
            self.stock[args["item"]] += 1
            self.__ledger.pop()

    def put_back_half(self, args: dict[str, Any], result: str | None, key: str) -> None:
        self.stock[args["item"]] = 3

    def put_back_again_and_again(self, args: dict[str, Any], result: str | None, key: str) -> None:
        self.stock[args["item"]] += 1
        self.__ledger[-1:] = []

    def never(self, item: str) -> int:
        raise KeyError(item)

    def half(self, item: str) -> int:
        self._views["half"] = 1
        raise RuntimeError("broke in the middle")


@pytest.fixture
def shop() -> Shop:
    return Shop()


PEN = [{"item": "pen"}]


def test_a_read_that_reads(shop: Shop) -> None:
    audit = audit_effect(shop.look, [*PEN, {"item": "cup"}], shop, declared="read")
    assert (audit.observed, audit.contradicted, audit.calls, audit.changing) == (
        "read",
        False,
        2,
        0,
    )
    assert "no change seen in 2 calls" in audit.explain()


def test_a_getter_that_counts_its_callers_is_found_out_and_the_world_put_back(shop: Shop) -> None:
    audit = audit_effect(shop.look_and_count, PEN, shop, declared="read")
    assert audit.contradicted
    assert audit.observed == "write"
    assert audit.places == {"Shop._views[*]": 1}
    assert "Shop._views['pen']: nothing -> 1, called with {'item': 'pen'}" in audit.explain()
    assert shop._views == {}


def test_a_hidden_generator_that_is_drawn_from(shop: Shop) -> None:
    first = copy.deepcopy(shop).temperature()
    audit = audit_effect(shop.temperature, [{}], shop, declared="read")
    assert audit.contradicted
    assert list(audit.places) == ["Shop._random"]
    assert shop.temperature() == first
    session = audit_effect(
        shop.temperature, [{}], shop, declared="session", session=["Shop._random"]
    )
    assert (session.observed, session.contradicted) == ("session", False)
    write = audit_effect(shop.temperature, [{}], shop, declared="write", session=["*._random"])
    assert write.could_be == "session"


def test_the_generators_that_a_process_shares() -> None:
    def pick() -> float:
        return random.random()

    def settle() -> None:
        decimal.getcontext().prec = 5

    state, places = random.getstate(), decimal.getcontext().prec
    assert list(audit_effect(pick, [{}], declared="read").places) == ["random"]
    assert list(audit_effect(settle, [{}], declared="pure").places) == ["decimal.prec"]
    assert (random.getstate(), decimal.getcontext().prec) == (state, places)


def test_pure_is_the_same_again_and_elsewhere(shop: Shop) -> None:
    assert audit_effect(shop.double, [{"number": 2}], shop, declared="pure").observed == "pure"
    price = audit_effect(shop.price, [{"pence": 2}], shop, declared="pure")
    assert (price.observed, price.contradicted) == ("read", True)
    assert "another world" in price.explain()
    assert shop.discount == 10
    looking = audit_effect(shop.look, PEN, shop, declared="pure")
    assert looking.contradicted
    assert shop.stock == {"pen": 3}

    numbers = iter(range(9))

    def draw() -> int:
        return next(numbers)

    assert audit_effect(draw, [{}], declared="pure").contradicted
    unseen = audit_effect(draw, [{}], declared="read")
    assert not unseen.contradicted
    assert "reads what was not looked at" in unseen.explain()
    assert "could not look into: range_iterator" in unseen.explain()


def test_what_a_tool_keeps_in_its_own_code_counts() -> None:
    seen: list[str] = []

    def remember(word: str) -> int:
        seen.append(word)
        return len(seen)

    audit = audit_effect(remember, [{"word": "x"}], declared="pure")
    assert audit.contradicted
    assert list(audit.places) == ["remember()<closure seen>[*]"]
    assert seen == []


def test_a_tool_that_changes_its_arguments() -> None:
    def total(numbers: list[int]) -> int:
        numbers.sort()
        return numbers[-1]

    given = [3, 1]
    audit = audit_effect(total, [{"numbers": given}], declared="pure")
    assert audit.contradicted
    assert list(audit.places) == ["args[*][*]"]
    assert given == [3, 1]


def test_failures_are_recorded_and_not_raised(shop: Shop) -> None:
    audit = audit_effect(shop.never, PEN, shop, declared="read")
    assert (audit.failed, audit.contradicted) == (1, False)
    assert "raised KeyError: 'pen'" in audit.explain()
    audit = audit_effect(shop.half, PEN, shop, declared="read")
    assert audit.failed == 1
    assert audit.contradicted  # what it changed before it broke
    wrong = audit_effect(shop.look, [{"no": 1}], shop, declared="read")
    assert "TypeError" in wrong.explain()
    assert audit_effect(shop.look, [], shop, declared="read").observed is None


@pytest.mark.parametrize(
    ("undo", "observed", "said"),
    [
        ("put_back", "reversible", ""),
        ("put_back_half", "write", "was not undone: Shop._Shop__ledger[0]: nothing -> 'pen'"),
        (
            "put_back_again_and_again",
            "write",
            "undo called again changed Shop.stock['pen']: 3 -> 4",
        ),
        ("never", "write", "undo raised TypeError"),
    ],
)
def test_undo_has_to_restore_everything(shop: Shop, undo: str, observed: str, said: str) -> None:
    def buy(item: str) -> str:
        """Buy."""
        return shop.buy(item)

    marked = effect("reversible", undo=getattr(shop, undo))(buy)
    audit = audit_effect(marked, PEN, shop)
    assert audit.declared == "reversible"
    assert audit.observed == observed
    assert audit.contradicted == (observed == "write")
    assert said in audit.explain()
    assert shop.stock == {"pen": 3}


def test_an_asynchronous_undo_is_awaited(shop: Shop) -> None:
    async def undo(args: dict[str, Any], result: str | None, key: str) -> None:
        await asyncio.sleep(0)
        assert result == "pen"
        shop.put_back(args, result, key)

    @effect("reversible", undo=undo)
    async def buy(item: str) -> str:
        """Buy."""
        await asyncio.sleep(0)
        return shop.buy(item)

    assert audit_effect(buy, PEN, shop).observed == "reversible"


class Shell:
    def __init__(self, folder: str = "/", log: list[str] | None = None) -> None:
        self.folder, self.log = folder, [] if log is None else log

    def deep(self) -> Shell:
        return Shell(self.folder, list(self.log))

    def shallow(self) -> Shell:
        return Shell(self.folder, self.log)


def test_a_session_tool_may_change_its_fork_and_nothing_else() -> None:
    def shell_tool(fork: Any, *, logs: bool = False, leaks: bool = False) -> tuple[Any, Any]:
        session = Session(Shell(), fork=fork)

        @effect("session", session=session)
        def cd(folder: str) -> str:
            """Go there."""
            session.current.folder = folder
            if logs:
                session.current.log.append(folder)
            if leaks:
                session.value.folder = folder
            return folder

        return cd, session

    args = [{"folder": "/tmp"}]
    cd, session = shell_tool(Shell.deep, logs=True)
    audit = audit_effect(cd, args)
    assert (audit.observed, audit.contradicted) == ("session", False)
    assert session.value.folder == "/"
    cd, session = shell_tool(Shell.shallow, logs=True)
    audit = audit_effect(cd, args)
    assert audit.contradicted
    assert "outside of the session, session.log[0]" in audit.explain()
    assert session.value.log == []
    assert audit_effect(shell_tool(Shell.deep, leaks=True)[0], args).contradicted


def test_a_session_without_a_word_about_what_it_covers(shop: Shop) -> None:
    audit = audit_effect(shop.look_and_count, PEN, shop, declared="session")
    assert not audit.contradicted
    assert "not told apart" in audit.explain()
    audit = audit_effect(
        shop.look_and_count, PEN, shop, declared="session", session=["Shop._random"]
    )
    assert audit.contradicted


def test_writes_are_made_once_and_told_when_they_write_nothing(shop: Shop) -> None:
    calls = []

    @effect("write")
    def idle(item: str) -> str:
        """Do nothing."""
        calls.append(item)
        calls.clear()
        return item

    audit = audit_effect(idle, PEN * 3, shop)
    assert audit.could_be == "read"
    assert "could be declared 'read'" in audit.explain()
    assert audit_effect(shop.buy, PEN, shop, declared="irreversible").could_be is None


def test_an_undeclared_tool_counts_as_the_strictest(shop: Shop) -> None:
    audit = audit_effect(shop.look, PEN, shop)
    assert audit.declared == "irreversible"
    assert audit.could_be == "read"
    assert "declares no class" in audit.explain()


def test_tools_of_langchain_sync_and_async(shop: Shop) -> None:
    @effect("read")
    @tool
    def look(item: str) -> str:
        """Look."""
        return str(shop.look_and_count(item))

    async def peek(item: str) -> str:
        """Peek."""
        return str(shop.look_and_count(item))

    class Peeking(BaseTool):
        name: str = "peeking"
        description: str = "Peek."

        def _run(self, item: str) -> str:
            return str(shop.look_and_count(item))

    later = effect("read")(StructuredTool.from_function(coroutine=peek))
    for each in (look, later, effect("read")(Peeking())):
        audit = audit_effect(each, PEN, shop)
        assert audit.contradicted, audit.explain()
        assert audit.places == {"Shop._views[*]": 1}
        assert not audit.failed
        assert shop._views == {}


def test_a_call_that_never_ends_fails(shop: Shop) -> None:
    async def wait() -> None:
        await asyncio.sleep(3600)

    audit = audit_effect(wait, [{}], shop, declared="read", timeout_s=0.01)
    assert audit.failed == 1
    assert "TimeoutError" in audit.explain()


def test_files_are_seen_through_look(tmp_path: Path) -> None:
    def note(text: str) -> None:
        (tmp_path / "note.txt").write_text(text)

    def files() -> dict[str, str]:
        return {path.name: path.read_text() for path in tmp_path.iterdir()}

    audit = audit_effect(note, [{"text": "hi"}], declared="read", look=files)
    assert audit.contradicted
    assert "look()['note.txt']: nothing -> 'hi'" in audit.explain()
    assert not audit_effect(note, [{"text": "hi"}], declared="read").contradicted


async def test_inside_an_event_loop(shop: Shop) -> None:
    assert audit_effect(shop.look_and_count, PEN, shop, declared="read").contradicted


async def test_a_world_that_goes_on_from_call_to_call(shop: Shop) -> None:
    auditor = Auditor()
    assert await auditor.call(shop.buy, {"item": "pen"}, shop, declared="write", keep=True) == "pen"
    assert await auditor.call(
        shop.look, {"item": "pen"}, shop, declared="read", keep=True
    ) == {"left": 2}  # fmt: skip
    await auditor.call(shop.buy, {"item": "pen"}, shop, declared="write")
    assert shop.stock == {"pen": 2}
    assert {audit.tool: (audit.observed, audit.calls) for audit in auditor.audits()} == {
        "buy": ("write", 2),
        "look": ("read", 1),
    }
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(audit_table(auditor.audits()))
    assert "Shop.stock[*]" in console.export_text()
