"""The clients that are compared, each used as its documentation shows it."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["CALLERS", "Caller", "Lane", "LangChainOpenAI", "LiteLLM", "OpenAI"]

_ASK = "What is the answer?"
_CONNECTIONS = 4_000


class Caller(Protocol):
    """One client, asked for a whole reply, streamed on the wire."""

    name: str

    async def call(self, model: str) -> str:
        """Give the reply's text, or raise what the client raises."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class OpenAI:
    """The SDK itself."""

    name = "openai SDK"

    def __init__(self, base_url: str) -> None:
        import openai

        self._client = openai.AsyncOpenAI(base_url=base_url, api_key="any")

    async def call(self, model: str) -> str:
        """Stream a reply and join it."""
        stream = await self._client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": _ASK}],
            stream=True,
            stream_options={"include_usage": True},
        )
        said = []
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                said.append(chunk.choices[0].delta.content)
        return "".join(said)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()


class Lane:
    """The lane's chat model, asked for a whole message."""

    name = "LaneChatModel"

    def __init__(self, base_url: str) -> None:
        from agentlanes import Lane as _Lane
        from agentlanes.lanes.lane import Timers

        self._timers = Timers(connect_s=60, first_token_s=600, progress_s=600, total_s=600)
        self._lane, self._base_url = _Lane, base_url
        self._models: dict[str, Any] = {}

    def _model(self, name: str) -> Any:
        if name not in self._models:
            lane = self._lane(name, base_url=self._base_url, api_key="any", timers=self._timers)
            self._models[name] = lane.chat_model("act")
        return self._models[name]

    async def call(self, model: str) -> str:
        """Ask for a message; a lane streams it on the wire."""
        return str((await self._model(model).ainvoke(_ASK)).text)

    async def aclose(self) -> None:
        """Close its connections."""
        for model in self._models.values():
            await model.aclose()


class LaneStream(Lane):
    """The lane's chat model, its reply taken chunk by chunk."""

    name = "LaneChatModel, streamed"

    async def call(self, model: str) -> str:
        """Stream a reply and join it."""
        return "".join([chunk.text async for chunk in self._model(model).astream(_ASK)])


class LangChainOpenAI:
    """langchain-openai's ChatOpenAI."""

    name = "ChatOpenAI"

    def __init__(self, base_url: str) -> None:
        from langchain_openai import ChatOpenAI

        self._make = ChatOpenAI
        self._base_url = base_url
        self._models: dict[str, Any] = {}

    async def call(self, model: str) -> str:
        """Stream a reply and join it."""
        if model not in self._models:
            self._models[model] = self._make(
                model=model, base_url=self._base_url, api_key="any", stream_usage=True
            )
        return "".join([chunk.text async for chunk in self._models[model].astream(_ASK)])

    async def aclose(self) -> None:
        """Close its connections."""
        for model in self._models.values():
            await model.root_async_client.close()


class LiteLLM:
    """LiteLLM's `acompletion`."""

    name = "LiteLLM"

    def __init__(self, base_url: str) -> None:
        import litellm

        litellm.suppress_debug_info = True
        self._litellm, self._base_url = litellm, base_url

    async def call(self, model: str) -> str:
        """Stream a reply and join it."""
        stream = await self._litellm.acompletion(
            model=f"openai/{model}",
            api_base=self._base_url,
            api_key="any",
            messages=[{"role": "user", "content": _ASK}],
            stream=True,
            stream_options={"include_usage": True},
        )
        said = []
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                said.append(chunk.choices[0].delta.content)
        return "".join(said)

    async def aclose(self) -> None:
        """Leave its clients to itself, which is how it is used."""


CALLERS = (OpenAI, Lane, LaneStream, LangChainOpenAI, LiteLLM)
