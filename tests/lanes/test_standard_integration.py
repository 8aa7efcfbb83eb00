"""LangChain's standard integration tests for chat models, over real sockets.

Skipped there, and why:

- images, PDFs and audio: those tests fetch their samples from the network. The tests at the end
  of this file send the same kinds of content.
- `test_stream_time`: it wants recorded traffic; the endpoint here is a real one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_tests.integration_tests import ChatModelIntegrationTests

from agentlanes.testing import EndpointServer
from tests.lanes.eager import eager
from tests.lanes.standard import StandardLaneModel

_URL = ""


@pytest.fixture(autouse=True, scope="module")
def endpoint() -> Iterator[EndpointServer]:
    global _URL
    with EndpointServer(eager).serve_in_thread() as server:
        _URL = server.base_url
        yield server


class TestLane(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return StandardLaneModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "m", "url": _URL}

    @property
    def model_override_value(self) -> str:
        return "another"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> Any:
        return {
            "invoke": ["reasoning_output", "cache_read_input"],
            "stream": ["reasoning_output", "cache_read_input"],
        }

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return said_by(model_of(reasoning_effort="low"), stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return said_by(model_of(), stream=stream)


def model_of(**lane: Any) -> StandardLaneModel:
    return StandardLaneModel(model="m", url=_URL, lane=lane)


def said_by(model: StandardLaneModel, *, stream: bool) -> AIMessage:
    if not stream:
        return model.invoke("Hello")
    chunks = list(model.stream("Hello"))
    return add_ai_message_chunks(chunks[0], *chunks[1:])


def test_reasoning_is_counted_and_kept(endpoint: EndpointServer) -> None:
    for stream in (False, True):
        said = said_by(model_of(reasoning_effort="low"), stream=stream)
        usage = said.usage_metadata
        assert usage is not None
        assert usage["output_token_details"]["reasoning"] > 0
        assert said.additional_kwargs["reasoning_content"]


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
AS_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
SENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (AS_URL, AS_URL),
    ({"type": "image", "base64": PNG, "mime_type": "image/png"}, AS_URL),
    (
        {"type": "image", "url": "http://127.0.0.1:9/a.png"},
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}},
    ),
    (
        {"type": "file", "base64": PNG, "mime_type": "application/pdf", "filename": "a.pdf"},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
        },
    ),
    (
        {"type": "audio", "base64": PNG, "mime_type": "audio/wav"},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
    ),
]


@pytest.mark.parametrize(("given", "sent"), SENT)
def test_content_that_is_not_text_is_sent(
    endpoint: EndpointServer, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    text = {"type": "text", "text": "look"}
    call = AIMessage("", tool_calls=[{"name": "show", "args": {}, "id": "1", "type": "tool_call"}])
    model_of().invoke(
        [HumanMessage([text, given]), call, ToolMessage([given], tool_call_id="1", name="show")]
    )
    asked, _, shown = endpoint.requests[-1].body["messages"]
    assert asked["content"] == [text, sent]
    assert shown["content"] == [sent]
