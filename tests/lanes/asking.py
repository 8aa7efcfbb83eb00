"""What the tests of one lane call share: a lane at an address, a tool, and a plain answer."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import tool

from agentlanes.config import Settings
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.testing import Reply

QUICK = Timers(connect_s=2, first_token_s=0.3, progress_s=0.3, total_s=5)


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return city


def ok(body: dict[str, Any]) -> Reply:
    """Answer whatever is asked."""
    return Reply(content="all is well")


def model_at(base_url: str, **fields: Any) -> LaneChatModel:
    """Give an act lane's chat model, whatever the environment says."""
    return LaneChatModel.from_lane(Lane("m", base_url=base_url, **fields), "act", Settings())


async def drain(model: Any, text: str = "?") -> str:
    """Stream an answer, and give all of it."""
    return "".join([chunk.text async for chunk in model.astream(text)])
