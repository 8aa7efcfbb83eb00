"""Ask the two local models for each step's call, a line a call, resumable.

The act lane's model drafts (greedy, with token log-probabilities) and samples once more; the
larger local model is the second endpoint. Requests are those of a local act lane: the tools in
the system message, one JSON object under a schema as the reply. Each model goes through the steps
in a thread of its own, on one core: on a busy machine two cores that wait for each other at every
layer are slower than two models side by side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from openai import OpenAI

from agentlanes.lanes import tool_json
from agentlanes.local import LocalServer
from agentlanes.local.catalog import DEFAULT_ACT, DEFAULT_REASON
from agentlanes.local.weights import resolve
from benchmarks.draft_check.steps import Step

__all__ = ["collect", "read"]

MAX_TOKENS = 256
HEAD = (
    "You turn a request into one function call, written on one line, as in "
    '{"tool": "rooms.book", "args": {"day": "2024-03-05", "seats": 4}}'
)
"""Begins every prompt: the part that the servers' caches hold, and one example of the form."""

SAMPLE_TEMPERATURE = 0.8


def collect(steps: Sequence[Step], out: Path, *, minutes: float) -> int:
    """Add to a file until every step has its calls or the time is up.

    Args:
        steps: The steps, in the order to ask them in.
        out: JSON lines `{"id", "who", ...}`; what is there already is not asked again.
        minutes: No step is begun after this.

    Returns:
        How many calls the file has.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    done = {(line["id"], line["who"]) for line in read(out)} if out.exists() else set()
    until = time.monotonic() + minutes * 60
    with (
        LocalServer(resolve(DEFAULT_ACT), "act", ctx=4096, threads=1) as small,
        LocalServer(resolve(DEFAULT_REASON), "second", ctx=4096, threads=1) as larger,
        OpenAI(base_url=small.base_url, api_key="-", max_retries=0, timeout=600) as act,
        OpenAI(base_url=larger.base_url, api_key="-", max_retries=0, timeout=600) as second,
        out.open("a", encoding="utf-8") as file,
        ThreadPoolExecutor(2) as pool,
    ):
        writing = Lock()

        def keep(step: Step, who: str, reply: Mapping[str, Any]) -> None:
            line = {"id": step.id, "category": step.category, "who": who, **reply}
            with writing:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                done.add((step.id, who))

        def draft(number: int, step: Step) -> None:
            if (step.id, "act") not in done:
                keep(step, "act", _ask(act, "act", step, logprobs=True, temperature=0))
            if (step.id, "sample") not in done:
                hot = {"temperature": SAMPLE_TEMPERATURE, "top_p": 0.95, "seed": number}
                keep(step, "sample", _ask(act, "act", step, **hot))

        def draft_again(_: int, step: Step) -> None:
            if (step.id, "second") not in done:
                keep(step, "second", _ask(second, "second", step, logprobs=True, temperature=0))

        def through(ask: Callable[[int, Step], None]) -> None:
            for number, step in enumerate(steps):
                if time.monotonic() > until:
                    return
                ask(number, step)

        for work in [pool.submit(through, draft), pool.submit(through, draft_again)]:
            work.result()
    return len(done)


def read(path: Path) -> list[dict[str, Any]]:
    """Read lines; a last one that a kill cut short is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def _ask(client: OpenAI, model: str, step: Step, **options: Any) -> dict[str, Any]:
    wrapped = [{"function": dict(tool)} for tool in step.tools]
    offer = tool_json.offered(wrapped, "required")
    if offer is None:
        raise ValueError(f"{step.id} offers no tool")
    messages: Any = tool_json.render(
        [{"role": "system", "content": HEAD}, *step.messages], tool_json.section(offer)
    )
    schema: Any = tool_json.response_format(offer)
    began = time.perf_counter()
    try:
        reply = client.chat.completions.create(
            model=model,
            messages=messages,
            response_format=schema,
            max_tokens=MAX_TOKENS,
            **options,
        )
    except Exception as error:  # a schema the server cannot turn into a grammar, for one
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    choice = reply.choices[0]
    text = choice.message.content or ""
    given: dict[str, Any] = {
        "text": text,
        "finish": choice.finish_reason,
        "ms": round((time.perf_counter() - began) * 1000),
        "tokens": reply.usage.completion_tokens if reply.usage else None,
        **_call(text),
    }
    if choice.logprobs is not None and choice.logprobs.content:
        given["logprobs"] = [[t.token, round(t.logprob, 4)] for t in choice.logprobs.content]
    return given


def _call(text: str) -> Mapping[str, Any]:
    try:
        call = tool_json.parse(text)
    except ValueError as error:
        return {"tool": None, "args": {}, "unread": str(error)[:200]}
    if isinstance(call, str):
        return {"tool": None, "args": {}}
    return {"tool": call["name"], "args": call["args"]}
