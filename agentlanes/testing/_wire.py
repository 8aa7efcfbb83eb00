"""How an API of a scripted endpoint looks on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

from agentlanes.testing._responses import chat_view, response_events, response_object
from agentlanes.testing.reply import Reply, completion, error_body, stream_chunks

__all__ = ["WIRES", "Api", "Wire"]

Api = Literal["chat", "responses"]


class Wire(Protocol):
    """An API: what its requests say, how its replies look whole and streamed.

    Attributes:
        path: Where it is served.
        wants: The field of a request that holds the conversation.
        done: What ends a stream.
        empty: An event of a stream that says nothing.
        hollow: A whole reply that says nothing.
    """

    path: str
    wants: str
    done: bytes
    empty: Mapping[str, Any]
    hollow: Mapping[str, Any]

    def view(self, body: dict[str, Any]) -> dict[str, Any]:
        """Say a request in the words of Chat Completions, which scripts read."""
        ...

    def whole(self, reply: Reply, body: Mapping[str, Any], *, finish: bool) -> dict[str, Any]:
        """Render a reply that is not streamed."""
        ...

    def stream(
        self, reply: Reply, body: Mapping[str, Any], *, finish: bool
    ) -> Iterator[tuple[int | None, dict[str, Any]]]:
        """Render a reply as events, each with the token that completes it."""
        ...

    def event(self, data: Mapping[str, Any]) -> bytes:
        """Render an event as lines, without the empty one that ends it."""
        ...

    def error(self, error: str | Mapping[str, Any]) -> dict[str, Any]:
        """Render an error in the middle of a stream."""
        ...


class _Chat:
    path = "/chat/completions"
    wants = "messages"
    done = b"data: [DONE]\n\n"
    hollow: Mapping[str, Any] = {"id": "chatcmpl-0", "object": "chat.completion", "choices": []}
    empty: Mapping[str, Any] = {
        "id": "chatcmpl-0",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}],
    }

    def view(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    def whole(self, reply: Reply, body: Mapping[str, Any], *, finish: bool) -> dict[str, Any]:
        return completion(reply, body, finish=finish)

    def stream(
        self, reply: Reply, body: Mapping[str, Any], *, finish: bool
    ) -> Iterator[tuple[int | None, dict[str, Any]]]:
        return stream_chunks(reply, body, finish=finish)

    def event(self, data: Mapping[str, Any]) -> bytes:
        return f"data: {json.dumps(data, ensure_ascii=False)}".encode()

    def error(self, error: str | Mapping[str, Any]) -> dict[str, Any]:
        return error_body(error, kind="error") if isinstance(error, str) else {"error": error}


class _Responses:
    path = "/responses"
    wants = "input"
    done = b""
    hollow: Mapping[str, Any] = {
        "id": "resp_0",
        "object": "response",
        "status": "completed",
        "output": [],
    }
    empty: Mapping[str, Any] = {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "item_id": "msg_0",
        "delta": "",
    }

    def view(self, body: dict[str, Any]) -> dict[str, Any]:
        return chat_view(body)

    def whole(self, reply: Reply, body: Mapping[str, Any], *, finish: bool) -> dict[str, Any]:
        return response_object(reply, body, finish=finish)

    def stream(
        self, reply: Reply, body: Mapping[str, Any], *, finish: bool
    ) -> Iterator[tuple[int | None, dict[str, Any]]]:
        return response_events(reply, body, finish=finish)

    def event(self, data: Mapping[str, Any]) -> bytes:
        text = json.dumps(data, ensure_ascii=False)
        return f"event: {data['type']}\ndata: {text}".encode()

    def error(self, error: str | Mapping[str, Any]) -> dict[str, Any]:
        said = {"code": "server_error", "message": error} if isinstance(error, str) else error
        return {"code": None, "param": None, **said, "type": "error"}


WIRES: Mapping[Api, Wire] = {"chat": _Chat(), "responses": _Responses()}
