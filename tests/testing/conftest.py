from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest


def open_sockets() -> set[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return set()
    links = []
    for descriptor in descriptors.iterdir():
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
            links.append(str(descriptor.readlink()))
    return {link for link in links if link.startswith("socket:")}


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    yield
    for _ in range(3):  # transports close their sockets on the loop's next turns
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not left
    gc.collect()
    assert not open_sockets() - sockets
