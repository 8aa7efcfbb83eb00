"""Deliver: the act lane writes the final answer from committed work."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agentlanes.context.compaction import compact
from agentlanes.context.prompts import deliver_prompt, fingerprint
from agentlanes.lanes.call import ask, lane_config
from agentlanes.lanes.prediction import predicting
from agentlanes.nodes.events import answer_event
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.prefixes import with_prefixes
from agentlanes.nodes.records import publish, record_of
from agentlanes.nodes.spans import call_spans, span_of
from agentlanes.state import AgentState

__all__ = ["deliver_node"]


def deliver_node(
    parts: Parts,
) -> Node:
    """Make the `deliver` node."""

    async def deliver(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        messages = deliver_prompt(parts.system_prompt, state["messages"], state.get("draft_answer"))
        early, uid = state.get("early_answer"), state["run"]["uid"]
        custody = await parts.custodies.of(config, runtime)
        clock = parts.clock(state, custody)
        if early is not None and early["asked"] == fingerprint(messages):
            # It was written while the verdicts were out, and they have confirmed it.
            facts, final = early["facts"], AIMessage(content=early["text"])
            span = early["span"]
            runtime.stream_writer(answer_event(uid, "confirmed", early["text"]))
        else:
            if early is not None:
                runtime.stream_writer(answer_event(uid, "retracted"))
            reply = await ask(
                predicting(parts.act, state.get("draft_answer")),
                messages,
                lane_config(config, "act", "answer", "final"),
                shorter=lambda: deliver_prompt(
                    parts.system_prompt,
                    compact(state["messages"]) or state["messages"],
                    state.get("draft_answer"),
                ),
            )
            facts = parts.noted(reply.facts("act", prompt=parts.records))
            times = clock.at_ms(reply.started), clock.at_ms(reply.ended)
            after = state["window"].get("after") or ()
            span = span_of("answer", "act", "answer", times, after, "committed")
            final = AIMessage(
                content=str(reply.message.text) or state.get("draft_answer") or "",
                id=reply.message.id,
                usage_metadata=reply.message.usage_metadata,
                response_metadata=reply.message.response_metadata,
            )
        answer = str(final.content)
        known = {**facts["record"], "node": "deliver"}
        if span is not None:
            span["outcome"] = "committed"
        spans = call_spans(span, known) if span is not None else []
        record = record_of(state, **known, outcome="committed", spans=spans)
        prompts = with_prefixes(parts.notes, state, [(record, facts)])
        parts.custodies.end(custody, uid)
        return {
            "messages": [final],
            "answer": answer,
            "steps": publish(parts, state, [(record, None)], runtime.stream_writer),
            "prompts": prompts,
            "correction": None,
            "carry": None,
            "brief": None,
            "draft_answer": None,
            "early_answer": None,
        }

    return deliver
