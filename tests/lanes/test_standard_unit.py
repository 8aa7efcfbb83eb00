"""LangChain's standard unit tests for chat models, on a lane's model.

Skipped there, and why:

- `test_init_from_env`: a lane takes nothing from the environment but through `Settings`, whose
  tests are in tests/lanes/test_chat_model.py.
- `test_serdes`: a model that holds a key is not serialised (see tests/lanes/test_lane_secrets.py).
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from tests.lanes.standard import StandardLaneModel


class TestLane(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return StandardLaneModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "m", "url": "http://127.0.0.1:9/v1"}


class TestLaneWithJsonTools(TestLane):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "lane": {"tool_format": "json"}}
