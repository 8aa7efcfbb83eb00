"""Sends a reply, whole or damaged, over an aiohttp request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agentlanes.testing._wire import WIRES
from agentlanes.testing.faults import Fault
from agentlanes.testing.hostile import alter
from agentlanes.testing.latency import Latency
from agentlanes.testing.reply import Reply, error_body

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

__all__ = ["SSE", "drop", "send", "send_error", "send_reply", "send_stream"]

_DAMAGES_BODY = frozenset({"bad_json", "bad_utf8", "split_utf8", "cut", "drip"})
_NO_LINGER = struct.pack("ii", 1, 0)
SSE = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


async def send_error(
    request: web.Request,
    log: RequestLog,
    status: int,
    error: str | Mapping[str, Any],
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send an error in OpenAI's form; a mapping is the whole `error` object."""
    if isinstance(error, str):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        if status == 429:
            kind, code = "requests", code or "rate_limit_exceeded"
        body = error_body(error, kind=kind, code=code)
    else:
        body = {"error": dict(error)}
    return await send(request, log, json.dumps(body), status=status, headers=headers)


async def send_reply(
    request: web.Request, log: RequestLog, reply: Reply, latency: Latency
) -> web.StreamResponse:
    """Send a reply in the time it takes, with the fault of `log` if there is one."""
    fault = log.fault
    if reply.status != 200 or (reply.error is not None and not log.stream):
        await _pause(log, latency.end_s(0))
        error = reply.error or f"made to fail with status {reply.status}"
        return await send_error(request, log, reply.status, error, headers=reply.headers)
    if fault is not None:
        reply = alter(reply, fault)
        if fault.kind == "stall" and not (log.stream and fault.after_chunks):
            await _stall(fault)
        if fault.kind == "short_body":
            return await _short_body(request, log, reply, fault)
    if log.stream:
        return await send_stream(request, log, reply, latency)
    await _pause(log, latency.end_s(reply.tokens))
    finish = fault is None or fault.kind != "no_finish"
    whole = WIRES[log.api].whole(reply, log.body, finish=finish)
    data = json.dumps(whole, ensure_ascii=False).encode()
    if fault is None or fault.kind not in _DAMAGES_BODY:
        return await send(request, log, data.decode(), headers=reply.headers)
    if fault.kind == "bad_json":
        return await send(request, log, data.decode()[: len(data) // 2], headers=reply.headers)
    headers = {**reply.headers, "Content-Type": "application/json"}
    if fault.kind == "bad_utf8":
        data = _bad_utf8(data)
    if fault.kind == "cut":
        headers["Content-Length"] = str(len(data))
    part = web.StreamResponse(headers=headers)
    await part.prepare(request)
    log.status = 200
    if fault.kind == "cut":
        await part.write(data[: len(data) // 2])
        return drop(request, part, fault)
    await _write(part, data, fault)
    await part.write_eof()
    return part


async def send_stream(
    request: web.Request,
    log: RequestLog,
    reply: Reply,
    latency: Latency,
    *,
    events: Sequence[tuple[int | None, Mapping[str, Any]]] | None = None,
    until: asyncio.Event | None = None,
) -> web.StreamResponse:
    """Send a reply as a stream of events.

    Args:
        request: The request.
        log: What is known of it; its fault is made to happen.
        reply: The reply.
        latency: When each of its tokens leaves.
        events: These events of the reply; all of them by default.
        until: Ends the stream early once it is set.
    """
    kind = log.fault.kind if log.fault is not None else None
    wire = WIRES[log.api]
    response = web.StreamResponse(headers={**SSE, **reply.headers})
    await response.prepare(request)
    log.status = 200
    if events is None:
        finish = kind != "no_finish" and reply.error is None
        events = list(wire.stream(reply, log.body, finish=finish))
    # A fault after more events than there are is one before the last.
    fault_at = min(log.fault.after_chunks, len(events) - 1) if log.fault is not None else None
    for position, (token, event) in enumerate(events):
        data = wire.event(event)
        if log.fault is not None and position == fault_at:
            if kind == "cut":
                return drop(request, response, log.fault)
            if kind == "stall":
                await _stall(log.fault)
            if kind == "bad_json":
                data = data[: -len(data) // 4]
            if kind == "bad_utf8":
                data = _bad_utf8(data)
        due_s = _due_s(latency, token, max(reply.tokens, 1))
        await _pause(log, due_s, until)
        if until is not None and until.is_set():
            break
        await _write(response, data + b"\n\n", log.fault)
    await _pause(log, latency.end_s(reply.tokens), until)
    if reply.error is not None:
        await response.write(wire.event(wire.error(reply.error)) + b"\n\n")
    if kind != "no_done":
        await response.write(wire.done)
    await response.write_eof()
    return response


async def _short_body(
    request: web.Request, log: RequestLog, reply: Reply, fault: Fault
) -> web.StreamResponse:
    kind = SSE if log.stream else {"Content-Type": "application/json"}
    response = web.StreamResponse(headers={**kind, **reply.headers, "Content-Length": "1000"})
    await response.prepare(request)
    log.status = 200
    return drop(request, response, fault)


async def _write(response: web.StreamResponse, data: bytes, fault: Fault | None) -> None:
    if fault is None or fault.kind not in ("drip", "split_utf8"):
        await response.write(data)
        return
    for byte in data:
        await response.write(bytes([byte]))
        if fault.kind == "drip":
            await asyncio.sleep(fault.every_s)


def _bad_utf8(data: bytes) -> bytes:
    """Put bytes that are no UTF-8 where the last text of a JSON object ends."""
    at = data.rindex(b'"')
    return data[:at] + b"\xff\xfe" + data[at:]


async def send(
    request: web.Request,
    log: RequestLog,
    text: str,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send a whole body."""
    response = web.Response(text=text, status=status, content_type=content_type, headers=headers)
    # Sent here rather than by the caller, so that the log knows how the sending ended.
    await response.prepare(request)
    log.status = status
    await response.write_eof()
    return response


def drop(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    """End the connection; aiohttp then finds it closed and sends nothing of the response."""
    transport = request.transport
    if transport is not None and fault.close == "rst":
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    elif transport is not None:
        transport.close()
    return response


def _due_s(latency: Latency, token: int | None, tokens: int) -> float:
    if token is None:
        return latency.end_s(tokens)
    return latency.due_s(token, tokens) if token else 0.0


async def _pause(log: RequestLog, due_s: float, until: asyncio.Event | None = None) -> None:
    """Wait until a moment counted from the request's arrival, so that delays do not add up."""
    delay_s = log.t_start + due_s - time.monotonic()
    if delay_s > 0 and until is None:
        await asyncio.sleep(delay_s)
    elif delay_s > 0 and until is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), delay_s)


async def _stall(fault: Fault) -> None:
    if fault.stall_s is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(fault.stall_s)
