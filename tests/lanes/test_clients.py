"""No socket is left to the garbage collector, however a lane's model is dropped."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from agentlanes.config import Settings
from agentlanes.lanes import closing
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Latency, Reply


def model_at(url: str) -> LaneChatModel:
    return LaneChatModel.from_lane(Lane("m", base_url=url), "act", Settings())


class Holder:
    """Part of a reference cycle, as a built graph is: only the collector ends it."""

    def __init__(self, model: LaneChatModel) -> None:
        self.model = model
        self.itself = self


@pytest.fixture
def url() -> Iterator[str]:
    """An endpoint in another thread, and no unclosed socket when the test is over."""
    gc.collect()
    slow = Latency(first_token_s=0.02)  # calls made together need a connection each
    with EndpointServer(lambda body: Reply(content="ok"), latency=slow).serve_in_thread() as server:
        yield server.base_url


@pytest.fixture(autouse=True)
def leaks(url: str) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(one.message) for one in caught if one.category is ResourceWarning] == []
    assert len(closing._LOOPS) == 0


async def use(model: LaneChatModel, calls: int = 3) -> None:
    replies = await asyncio.gather(*(model.ainvoke("?") for _ in range(calls)))
    assert [reply.content for reply in replies] == ["ok"] * calls


async def left_open() -> int:
    for _ in range(10):  # the loop closes what it was told to by itself, without waiting
        await asyncio.sleep(0)
    return sum(len(here.clients) for here in closing._LOOPS.values())


@pytest.mark.parametrize("hold", [Holder, lambda model: model])
def test_models_made_and_dropped_in_one_loop(url: str, hold: Any) -> None:
    async def several() -> int:
        for _ in range(3):
            held = hold(model_at(url))
            await use(getattr(held, "model", held))
            del held
            gc.collect()
        return await left_open()

    assert asyncio.run(several()) == 0


@pytest.mark.parametrize("hold", [Holder, lambda model: model])
def test_models_dropped_when_the_loop_is_about_to_end(url: str, hold: Any) -> None:
    async def last() -> None:
        held = [hold(model_at(url)) for _ in range(3)]
        await asyncio.gather(*(use(getattr(one, "model", one)) for one in held))
        held.clear()
        gc.collect()

    asyncio.run(last())


def test_a_model_outlives_its_loops(url: str) -> None:
    model = model_at(url)
    for _ in range(3):
        asyncio.run(use(model))
        assert len(closing._LOOPS) == 0
    with asyncio.Runner() as runner:
        runner.run(use(model))
        del model
        gc.collect()
        assert runner.run(left_open()) == 0


def test_a_model_dropped_by_another_thread(url: str) -> None:
    async def main() -> int:
        held = [model_at(url)]
        await use(held[0])

        def drop() -> None:
            held.clear()
            gc.collect()

        await asyncio.to_thread(drop)
        return await left_open()

    assert asyncio.run(main()) == 0


def test_closing_is_not_cut_short(url: str) -> None:
    async def main() -> None:
        model = model_at(url)
        await use(model, calls=5)
        task = asyncio.ensure_future(model.aclose())
        await asyncio.sleep(0)  # it has begun
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await use(model)  # with a new client

    asyncio.run(main())


def test_the_client_without_a_loop(url: str) -> None:
    held = Holder(model_at(url))
    assert held.model.invoke("?").content == "ok"
    asyncio.run(held.model.aclose())
    assert held.model.invoke("?").content == "ok"
    del held
