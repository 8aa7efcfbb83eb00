from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps

from agentlanes.config import Settings
from agentlanes.errors import EndpointRefused
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Reply

KEY = "sk-proj-very-secret-0123456789"


def model_of(base_url: str = "http://me:pass-word@127.0.0.1:9/v1") -> LaneChatModel:
    return LaneChatModel.from_lane(Lane("m", base_url=base_url, api_key=KEY), "act", Settings())


def test_no_view_of_the_model_shows_the_key() -> None:
    model = model_of()
    bound = model.bind_tools([{"type": "function", "function": {"name": "f"}}])
    views = [
        repr(model),
        str(model),
        model.model_dump(),
        model.model_dump_json(),
        dumpd(model),
        dumps(model),
        dumps(bound),
        repr(bound),
        model.lc_attributes,
        model._get_ls_params(),
        model._identifying_params,
        model._get_invocation_params(),
        model._serialized,
        model.asdict(),
        repr(model.lane),
        repr(model._clients),
        repr(model.__pydantic_private__),
        model._get_llm_string(),
    ]
    for view in views:
        assert KEY not in str(view)
    for view in views[:14]:
        assert "pass-word" not in str(view)


def test_the_model_is_not_pickled_with_its_key() -> None:
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(model_of().lane)
    with pytest.raises(TypeError, match="not serialised"):
        copy.deepcopy(model_of().lane)


class Everything(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(f"{args} {kwargs}")

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(f"{args} {kwargs}")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.seen.append(f"{traceback.format_exception(error)} {kwargs}")


async def test_traces_logs_and_errors_do_not_show_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tracer = Everything()

    def script(body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"] == "fine":
            return Reply(content="fine")
        return Reply(status=401, error=f"the key {KEY} is not known")

    async with EndpointServer(script) as server:
        model = model_of(server.base_url)
        await model.ainvoke("fine", {"callbacks": [tracer]})
        with pytest.raises(EndpointRefused, match="OPENAI_API_KEY") as caught:
            await model.ainvoke("refuse", {"callbacks": [tracer]})
        with pytest.raises(EndpointRefused):
            [chunk async for chunk in model.astream("refuse", {"callbacks": [tracer]})]
        await model.aclose()
    assert "***" in str(caught.value)
    assert len(tracer.seen) == 6
    shown = "".join(traceback.format_exception(caught.value))
    for text in (*tracer.seen, caplog.text, shown, repr(caught.value.__context__)):
        assert KEY not in text
