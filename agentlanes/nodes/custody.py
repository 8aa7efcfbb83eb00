"""Who may act on a thread, and from which checkpoint the run goes on.

One custody lasts for one invocation of the graph: it takes a lease on the thread, so that of two
workers on one thread only the later may act, and looks at where the run was taken up: a fork of an
older checkpoint, or an edited state, is another run, which no old approval covers. Where a graph
above runs an agent several times at once, each has its custody, and they share the lease.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.runtime import Runtime

from agentlanes.errors import ConfigError, LeaseLost, LedgerUnavailable
from agentlanes.nodes.place import are_beside, checkpoints_at, place_of, saver_of, thread_of
from agentlanes.speculation.ledger import EffectRecord, Lease, Ledger, MemoryLedger
from agentlanes.speculation.reads import KeptReads

__all__ = ["Custodies", "Custody", "refuse_exit_durability", "until_saved"]

_KEPT = 4096  # invocations remembered; those that have ended are the oldest
_SAVE_WAIT_S = 30.0
_LOOP_SOURCES = frozenset({"loop", "input"})


async def _nothing() -> str | None:
    return None


@dataclass(slots=True, weakref_slot=True)
class Hold:
    """The lease on a thread, taken when it is first needed.

    Attributes:
        lease: The lease, once the ledger was used.
        taking: Held by who takes it.
    """

    lease: Lease | None = None
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, kw_only=True)
class Custody:
    """An invocation's hold on its thread.

    Attributes:
        thread: The thread's name, `""` without a checkpointer.
        place: The tasks of the graphs above that it runs in.
        forked: The run was taken up from a forked or edited checkpoint.
        fresh: Nothing has been asked of any model in this invocation.
        ledger: Where its effects are recorded.
        lasting: Checkpoints and ledger outlive the process.
        hold: Its lease, shared with the invocations beside it.
        at: Id of the checkpoint that the node at work runs from.
        began: Loop time at which the invocation began.
        reads: What discarded reads have found out, for the next window.
    """

    thread: str
    ledger: Ledger
    lasting: bool
    place: str = ""
    forked: bool = False
    fresh: bool = True
    hold: Hold = field(default_factory=Hold)
    at: str = ""
    began: float = 0.0
    reads: KeptReads = field(default_factory=KeptReads)
    _newest: Callable[[], Awaitable[str | None]] = _nothing
    _control: Any = None

    async def take(self) -> None:
        """Take the lease on the thread, once; without a thread nothing is shared.

        Raises:
            LeaseLost: Another worker is further on.
        """
        async with self.hold.taking:
            if self.hold.lease is None and self.thread:
                await self.check()
                self.hold.lease = await self.ledger.acquire(self.thread)
                # From here on the one before writes nothing more; what it saved until now shows.
                await self.check()

    async def check(self) -> None:
        """Stop where another worker has taken the thread over, or further than this one.

        Without asking for the lease a worker that lost it, and only reads, would go on until it
        saves a checkpoint, and with that stop the one who holds it: nobody would win.

        Raises:
            LeaseLost: The thread has a newer lease than this worker's, or a newer checkpoint than
                the one this node runs from.
        """
        lease = self.hold.lease
        if lease is not None and await self.ledger.newest(self.thread) != lease.token:
            raise LeaseLost(self.thread)
        newest = await self._newest() if self.lasting else None
        if newest is not None and newest > self.at:
            raise LeaseLost(self.thread)

    async def get(self, key: str) -> EffectRecord | None:
        """Give a record that no older worker can change any more but for its outcome."""
        await self.take()
        return await self.ledger.get(key)

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records, in the order of their first writing."""
        await self.take()
        return await self.ledger.of_run(run)

    async def put(self, record: EffectRecord) -> None:
        """Write a record under the lease.

        Raises:
            LeaseLost: Another worker has taken the thread over.
            LedgerError: The record could not be written.
        """
        await self.take()
        await self.ledger.put(record, self.hold.lease)

    async def older(self, run: str) -> list[EffectRecord]:
        """Give what earlier runs of the thread left unsettled; not what those beside it are at."""
        if not self.thread:
            return []
        await self.take()
        pending = await self.ledger.pending(self.thread)
        return [r for r in pending if r.run != run and not are_beside(r.place, self.place)]


class Custodies:
    """The invocations of one built graph that are under way.

    Args:
        ledger: Where effects are recorded. Without one it is this process for runs that nothing
            could resume elsewhere, and `default` for the others.
        default: Opens the ledger of runs that can be resumed.
    """

    def __init__(
        self, ledger: Ledger | None = None, default: Callable[[], Ledger] = MemoryLedger
    ) -> None:
        self._given, self._default = ledger, default
        self._memory = MemoryLedger()
        self._lasting: Ledger | None = None
        self._held: OrderedDict[tuple[str, str, int], Custody] = OrderedDict()
        # Of invocations that are remembered, so that no other object has their control's id.
        self._holds: WeakValueDictionary[tuple[str, int], Hold] = WeakValueDictionary()

    async def of(self, config: RunnableConfig, runtime: Runtime[Any]) -> Custody:
        """Give the custody of the invocation that a node runs in."""
        saver, thread = saver_of(config), thread_of(config)
        if saver is None:
            thread = ""
        key = (thread, checkpoints_at(config)["checkpoint_ns"], id(runtime.control))
        held = self._held.get(key)
        if held is None or held._control is not runtime.control:
            lasting = saver is not None and not isinstance(saver, InMemorySaver)
            ledger = self._ledger(lasting)
            hold = self._holds.setdefault((thread, id(runtime.control)), Hold())
            held = Custody(
                thread=thread,
                place=place_of(config),
                hold=hold,
                ledger=ledger,
                lasting=lasting and not isinstance(ledger, MemoryLedger),
                began=asyncio.get_running_loop().time(),
                _newest=partial(_newest_of, saver, {"configurable": checkpoints_at(config)}),
                _control=runtime.control,
            )
            self._held[key] = held
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
            if saver is not None:
                held.forked = await _is_fork(saver, config, runtime)
        held.at = runtime.execution_info.checkpoint_id if runtime.execution_info else ""
        return held

    def end(self, custody: Custody, run: str) -> None:
        """Keep nothing of a run that has been answered, beyond what it may be taken up from."""
        custody.reads.clear()
        if custody.ledger is self._memory and not custody.thread:
            self._memory.forget(run)

    def _ledger(self, lasting: bool) -> Ledger:
        if self._given is not None:
            return self._given
        if not lasting:
            return self._memory
        if self._lasting is None:
            self._lasting = self._default()
        return self._lasting


def refuse_exit_durability(config: RunnableConfig) -> None:
    """Refuse `durability="exit"`: nothing would be saved before an effect.

    Raises:
        ConfigError: The run was started so.
    """
    if (config.get("configurable") or {}).get("__pregel_durability") == "exit":
        raise ConfigError(
            'durability="exit" saves nothing before the run ends, so a crash would make its '
            'effects happen again; use "sync" or "async" with tools that have effects'
        )


async def until_saved(custody: Custody, config: RunnableConfig) -> None:
    """Wait until the checkpoint that a node runs from is saved.

    With `durability="async"` it may still be on its way. An effect that starts before its run
    is saved could not be found again after a crash.

    Raises:
        LeaseLost: Another worker has taken the thread further.
        LedgerUnavailable: It was not saved in time.
    """
    saver = saver_of(config)
    if saver is None:
        return
    clock = asyncio.get_running_loop().time
    ends, pause = clock() + _SAVE_WAIT_S, 0.001
    while clock() < ends:
        newest = await _newest_of(saver, {"configurable": checkpoints_at(config)})
        if newest == custody.at:
            return
        if newest is not None and newest > custody.at:
            raise LeaseLost(custody.thread)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.1)
    raise LedgerUnavailable(
        f"the checkpoint before an effect was not saved within {_SAVE_WAIT_S:g} s; look at the "
        "checkpointer and resume the run"
    )


async def _newest_of(saver: BaseCheckpointSaver[Any] | None, place: RunnableConfig) -> str | None:
    found = await saver.aget_tuple(place) if saver is not None else None
    return found.checkpoint["id"] if found is not None else None


async def _is_fork(
    saver: BaseCheckpointSaver[Any], config: RunnableConfig, runtime: Runtime[Any]
) -> bool:
    info = runtime.execution_info
    if info is None:
        return False
    place = {**checkpoints_at(config), "checkpoint_id": info.checkpoint_id}
    found = await saver.aget_tuple({"configurable": place})
    # One that is not saved yet was made by this very invocation.
    return found is not None and found.metadata.get("source", "loop") not in _LOOP_SOURCES
