"""Sends a reply, whole or damaged, over an aiohttp request."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agentlanes.testing.faults import Fault
from agentlanes.testing.latency import Latency
from agentlanes.testing.reply import Reply, completion, error_body, stream_chunks

if TYPE_CHECKING:
    from agentlanes.testing.endpoint import RequestLog

_NO_LINGER = struct.pack("ii", 1, 0)
_SSE = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_HTML = "<!doctype html><title>Sign in</title><h1>Sign in to the network to go on</h1>"


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
    return await _send(request, log, json.dumps(body), status=status, headers=headers)


async def send_fault(
    request: web.Request, log: RequestLog, fault: Fault
) -> web.StreamResponse | None:
    """Send a fault that stands in place of an answer; `None` for one that damages an answer."""
    if fault.kind == "status":
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        problem = f"made to fail with status {fault.status}"
        return await send_error(request, log, fault.status, problem, headers=headers)
    if fault.kind == "reset":
        return _drop(request, web.Response(), fault)
    if fault.kind == "html":
        return await _send(request, log, _HTML, content_type="text/html")
    return None


async def send_reply(
    request: web.Request, log: RequestLog, reply: Reply, latency: Latency
) -> web.StreamResponse:
    """Send a reply in the time it takes, with the fault of `log` if there is one."""
    fault = log.fault
    if reply.status != 200 or (reply.error is not None and not log.stream):
        await _pause(log, latency.end_s(0))
        error = reply.error or f"made to fail with status {reply.status}"
        return await send_error(request, log, reply.status, error, headers=reply.headers)
    if fault is not None and fault.kind == "stall" and not (log.stream and fault.after_chunks):
        await _stall(fault)
    if log.stream:
        return await _send_stream(request, log, reply, latency)
    await _pause(log, latency.end_s(reply.tokens))
    finish = fault is None or fault.kind != "no_finish"
    text = json.dumps(completion(reply, log.body, finish=finish), ensure_ascii=False)
    if fault is not None and fault.kind == "cut":
        data = text.encode()
        headers = {**reply.headers, "Content-Length": str(len(data))}
        part = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
        await part.prepare(request)
        log.status = 200
        await part.write(data[: len(data) // 2])
        return _drop(request, part, fault)
    if fault is not None and fault.kind == "bad_json":
        text = text[: len(text) // 2]
    return await _send(request, log, text, headers=reply.headers)


async def _send_stream(
    request: web.Request, log: RequestLog, reply: Reply, latency: Latency
) -> web.StreamResponse:
    kind = log.fault.kind if log.fault is not None else None
    response = web.StreamResponse(headers={**_SSE, **reply.headers})
    await response.prepare(request)
    log.status = 200
    finish = kind != "no_finish" and reply.error is None
    chunks = list(stream_chunks(reply, log.body, finish=finish))
    # A fault after more events than there are is one before the last.
    fault_at = min(log.fault.after_chunks, len(chunks) - 1) if log.fault is not None else None
    for position, (token, chunk) in enumerate(chunks):
        data = json.dumps(chunk, ensure_ascii=False)
        if log.fault is not None and position == fault_at:
            if kind == "cut":
                return _drop(request, response, log.fault)
            if kind == "stall":
                await _stall(log.fault)
            if kind == "bad_json":
                data = data[: len(data) // 2]
        tokens = max(reply.tokens, 1)
        due_s = latency.end_s(tokens) if token is None else latency.due_s(token, tokens)
        await _pause(log, due_s)
        await response.write(f"data: {data}\n\n".encode())
    await _pause(log, latency.end_s(reply.tokens))
    if reply.error is not None:
        whole = not isinstance(reply.error, str)
        error = {"error": reply.error} if whole else error_body(str(reply.error), kind="error")
        await response.write(f"data: {json.dumps(error)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _send(
    request: web.Request,
    log: RequestLog,
    text: str,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    response = web.Response(text=text, status=status, content_type=content_type, headers=headers)
    # Sent here rather than by the caller, so that the log knows how the sending ended.
    await response.prepare(request)
    log.status = status
    await response.write_eof()
    return response


def _drop(request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    """End the connection; aiohttp then finds it closed and sends nothing of the response."""
    transport = request.transport
    if transport is not None and fault.close == "rst":
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    elif transport is not None:
        transport.close()
    return response


async def _pause(log: RequestLog, due_s: float) -> None:
    """Wait until a moment counted from the request's arrival, so that delays do not add up."""
    delay_s = log.t_start + due_s - time.monotonic()
    if delay_s > 0:
        await asyncio.sleep(delay_s)


async def _stall(fault: Fault) -> None:
    if fault.stall_s is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(fault.stall_s)
