"""Label rows of a settled window, for the custom stream and the trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import HumanMessage

from agentlanes.latency.label_trace import are_traced, trace_labels
from agentlanes.latency.record import Outcome
from agentlanes.nodes.features import step_features
from agentlanes.nodes.parts import Parts
from agentlanes.router.labels import LABEL_EVENT, LabelRow, label_row
from agentlanes.router.router import StepFeatures
from agentlanes.speculation.exchange import Case, Exchange, subject
from agentlanes.state import AgentState, VerdictDict

__all__ = ["window_labels"]

_log = logging.getLogger(__name__)


def window_labels(
    parts: Parts,
    state: AgentState,
    exchange: Exchange | None,
    verdicts: Mapping[int, VerdictDict],
    fates: Mapping[int, Outcome],
    *,
    heard: bool = True,
) -> list[dict[str, Any]]:
    """Make the events of a window's labels, and put the rows into the trace. Never raises.

    Does nothing where nobody reads them: rows take a look at every word of the conversation.

    Args:
        parts: The agent's parts; without `labels` there are none.
        state: The state, as it was when the window began.
        exchange: The window's exchange; a window that a crash cut in two has none, and no labels.
        verdicts: The window's verdicts.
        fates: What became of its proposals.
        heard: Whether the custom stream has a reader.
    """
    if not parts.labels or exchange is None or not (heard or are_traced()):
        return []
    try:
        features = step_features(parts, state)
        rows = [
            _row(parts, state, case, verdicts[case.proposal["index"]], fates, features)
            for case in exchange.cases
            if case.proposal["index"] in verdicts and case.proposal["index"] in fates
        ]
        trace_labels(rows)
    except Exception:  # a label is no reason for a run to fail
        _log.warning("a window's labels could not be made", exc_info=True)
        return []
    return [{"type": LABEL_EVENT, "row": row} for row in rows]


def _row(
    parts: Parts,
    state: AgentState,
    case: Case,
    verdict: VerdictDict,
    fates: Mapping[int, Outcome],
    features: StepFeatures,
) -> LabelRow:
    proposal = case.proposal
    draft: Mapping[str, float] = {}
    p_wrong = None
    if proposal["kind"] == "call" and parts.check is not None:
        score = parts.check.score(proposal["tool"], proposal["args"], case.transcript)
        draft, p_wrong = score.features, score.p_wrong
    words = [str(m.text) for m in state["messages"] if isinstance(m, HumanMessage)]
    return label_row(
        run=state["run"]["uid"],
        window=state["window"]["id"],
        index=proposal["index"],
        text=words[-1] if words else "",
        step=features,
        subject=subject(proposal),
        effect=proposal["effect"],
        draft=draft,
        p_wrong=p_wrong,
        p_reason=state["route"]["score"],
        verdict=verdict["status"],
        by=verdict["by"],
        fate=fates[proposal["index"]],
        failed=proposal["failed"],
    )
