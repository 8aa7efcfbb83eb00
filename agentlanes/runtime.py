"""Run an agent from synchronous code: one event loop, owned here."""

from __future__ import annotations

import asyncio
from typing import Any

from agentlanes.errors import ConfigError

__all__ = ["run_sync"]


def run_sync(agent: Any, given: Any, config: Any = None, **options: Any) -> dict[str, Any]:
    """Run an agent to its end and give its output.

    The graph's nodes are asynchronous, so `agent.invoke` does not work; this does.

    Args:
        agent: A compiled agent.
        given: Its input, as for `ainvoke`.
        config: Its config, as for `ainvoke`.
        options: Further arguments of `ainvoke`.

    Raises:
        ConfigError: An event loop is running already; await `agent.ainvoke` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise ConfigError("an event loop is running here: use `await agent.ainvoke(...)` instead")

    async def main() -> dict[str, Any]:
        result: dict[str, Any] = await agent.ainvoke(given, config, **options)
        return result

    with asyncio.Runner() as runner:
        return runner.run(main())
