"""Telling an endpoint what its reply will mostly be, where its lane says that it can use that."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.request import DRAFT_KEY

__all__ = ["predicting"]


def predicting(model: BaseChatModel, draft: str | None) -> Runnable[Any, Any]:
    """Give the model with a draft of the reply bound to it.

    The final format pass writes a draft answer again, mostly word for word; an endpoint that is
    sent the draft (`prediction`) need not generate the words that stay. The request's messages are
    the same with and without it.

    Args:
        model: Any chat model; only a `Lane(prediction=True)` is sent the draft.
        draft: The draft, if there is one.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = FakeListChatModel(responses=["hi"])
        >>> predicting(model, "hello") is model
        True
    """
    if not draft or not isinstance(model, LaneChatModel) or not model.lane.prediction:
        return model
    return model.bind(**{DRAFT_KEY: draft})
