"""Step records in LangSmith traces: each record in the metadata of the run it describes.

LangChain traces a model call as one POST when it starts and one PATCH when it ends, and LangSmith
takes each of the two only once for a run: a second PATCH is answered with 409 and changes nothing
(langsmith-sdk issues 1529 and 2078). But a step's outcome is known only when its window is
settled, after its model call has ended. So the PATCH of a lane's model call is held back until
the record is made, and then carries it under `agentlanes_step`, with the call's own end time. Each
record is in the metadata of exactly one run:

- of the lane's model run, where a model was asked;
- of the `effects` node's run, for an effect;
- of a run of its own below `settle`, named `step`, where code issued the call from a plan, or
  where the model run was traced by another process.

A call that is held when its run is cut short is sent without a record, by the next lane call or
by `flush`. Nothing here opens a connection, and without a LangChain tracer among the callbacks
(`LANGSMITH_TRACING` unset) nothing is done at all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextvars import Token
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import langsmith.run_trees
import langsmith.utils
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.tracers.schemas import Run
from langsmith import Client
from langsmith.schemas import BatchIngestConfig, LangSmithInfo

from agentlanes.config import Settings
from agentlanes.latency.guard import guard, note_untraced_steps
from agentlanes.latency.record import StepRecord

__all__ = ["STEP_KEY", "TracedCall", "flush", "prepare", "trace_steps"]

STEP_KEY = "agentlanes_step"
"""Where a run's metadata holds its step record."""

_BATCHES = BatchIngestConfig(
    use_multipart_endpoint=True,
    scale_up_qsize_trigger=200,
    scale_up_nthreads_limit=4,
    scale_down_nempty_trigger=4,
    size_limit=100,
    size_limit_bytes=4 * 2**20,
)
"""langsmith's own defaults, but for fewer threads and smaller batches: each is in memory twice."""

_log = logging.getLogger(__name__)


class TracedCall:
    """A lane's model call whose run waits for its step record.

    Used around the call; costs one look at the callbacks when nothing is traced.

    Attributes:
        config: The config to make the call with.
        run_id: Id of the run that waits, once the call is over; `None` when nothing is traced or
            the call failed.

    Example:
        >>> with TracedCall({"tags": ["lane:act"]}) as call:
        ...     call.config
        {'tags': ['lane:act']}
        >>> call.run_id is None
        True
    """

    __slots__ = ("_token", "_tracer", "config", "run_id")

    def __init__(self, config: RunnableConfig) -> None:
        self.config = config
        self.run_id: str | None = None
        self._tracer: _HoldingTracer | None = None
        self._token: Token[RunnableConfig | None] | None = None

    def __enter__(self) -> TracedCall:
        callbacks = self.config.get("callbacks")
        found = _tracer_of(callbacks)
        # A tracer of somebody's own class keeps its behaviour; its records get runs of their own.
        if isinstance(callbacks, BaseCallbackManager) and type(found) is LangChainTracer:
            guard(found.client)
            self._tracer = _HoldingTracer.beside(found)
            manager = callbacks.copy()
            for handlers in (manager.handlers, manager.inheritable_handlers):
                handlers[:] = [self._tracer if h is found else h for h in handlers]
            self.config = {**self.config, "callbacks": manager}
            # A bound model merges the node's config in, whose tracer would trace the call again.
            around = var_child_runnable_config.get(None) or {}
            self._token = var_child_runnable_config.set({**around, "callbacks": manager})
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._tracer is None or self._token is None:
            return
        var_child_runnable_config.reset(self._token)
        if error is not None:
            self._tracer.close_open(error)
        ended, self._tracer.ended = self._tracer.ended, []
        # The record describes the call as a whole, so it goes to the last request that was made.
        last = ended.pop() if ended and error is None else None
        for run in ended:
            _Held(self._tracer, run).send(None)
        if last is not None:
            self.run_id = str(last.id)
            _waiting.hold(self.run_id, _Held(self._tracer, last))


def trace_steps(made: Sequence[tuple[StepRecord, str | None]]) -> None:
    """Put records that are now complete into the trace. Called from inside a node.

    Never raises: a trace is no reason for a run to fail.

    Args:
        made: The records, number and outcome included, each with the `TracedCall.run_id` of the
            lane call it describes, if there was one. A node that records its own call need not
            know it.
    """
    config = var_child_runnable_config.get(None)
    callbacks = config.get("callbacks") if config is not None else None
    tracer = _tracer_of(callbacks)
    if config is None or tracer is None:
        note_untraced_steps(len(made))
        return
    for record, run_id in made:
        _trace_step(record, run_id, config, tracer)


def _trace_step(
    record: StepRecord, run_id: str | None, config: RunnableConfig, tracer: LangChainTracer
) -> None:
    callbacks = config.get("callbacks")
    node = tracer.run_map.get(str(getattr(callbacks, "parent_run_id", None)))
    own = record["node"] == (config.get("metadata") or {}).get("langgraph_node")
    held = _waiting.take(run_id, below=node if own else None)
    if held is not None:
        held.send(record)
        return
    if node is None or node.extra.get("__disabled"):
        return
    if own:
        _note(node, record)  # the node's run is open still, and sends this when it ends
        return
    try:
        now = datetime.now(UTC)
        tags = [f"lane:{record['lane']}"] if record["lane"] else None
        step = node.create_child("step", start_time=now, end_time=now, tags=tags)
        _note(step, record)
        step.post()
    except Exception:
        _log.warning("a step record could not be traced", exc_info=True)


def prepare() -> None:
    """Make the process's LangSmith client, with a guard, where tracing is on and there is none.

    langchain-core makes it otherwise, and langsmith's thread then begins with a request that may
    take minutes and that the exit waits for. Opens no connection. It also sets
    `LANGSMITH_DISABLE_RUN_COMPRESSION`, unless it is set: compressed traces are kept elsewhere,
    unbounded, and sent by threads that the exit waits for.
    """
    if not Settings.from_env().langsmith_tracing or langsmith.run_trees._CLIENT is not None:
        return
    os.environ.setdefault("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")
    # It remembers what was unset. (Typed as an overloaded function, so its cache is not seen.)
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    try:
        # With the service's facts given, langsmith does not ask for them.
        client = Client(info=LangSmithInfo(batch_ingest_config=_BATCHES))
    except Exception:
        _log.debug("no LangSmith client could be made", exc_info=True)  # langchain-core will say so
        return
    guard(client, late=False)
    langsmith.configure(client=client)


def flush(timeout_s: float = 5.0) -> bool:
    """Send what is still to be traced, and stop tracing in this process.

    The last thing a program may do; without it, the interpreter's end sends what can be sent while
    that makes progress. Held model runs are sent, the clients' queues are drained for `timeout_s`
    seconds at most, and their threads are told to end. What has not been sent by then is lost.

    Args:
        timeout_s: Bound on the whole, in seconds.

    Returns:
        Whether nothing was lost or left unsent. True when nothing was traced.
    """
    _waiting.send_all()
    deadline = time.monotonic() + timeout_s
    sent = True
    for client in _waiting.clients():
        sent = guard(client).drain(deadline) and sent
        client.cleanup(timeout=0)
    return sent


class _HoldingTracer(LangChainTracer):
    """A tracer that keeps finished model runs instead of sending their end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started: list[Run] = []
        self.ended: list[Run] = []

    @classmethod
    def beside(cls, tracer: LangChainTracer) -> _HoldingTracer:
        """Make one that shares a tracer's runs."""
        return cls(
            example_id=tracer.example_id,
            project_name=tracer.project_name,
            address=tracer.address,
            client=tracer.client,
            tags=tracer.tags,
            metadata=tracer.tracing_metadata,
            run_map=tracer.run_map,
            order_map=tracer.order_map,
            _external_run_ids=tracer._external_run_ids,
        )

    def copy_with_metadata_defaults(self, **defaults: Any) -> LangChainTracer:
        copy = super().copy_with_metadata_defaults(**defaults)
        if isinstance(copy, _HoldingTracer):
            copy.started, copy.ended = self.started, self.ended
        return copy

    def _on_chat_model_start(self, run: Run) -> None:
        self.started.append(run)
        super()._on_chat_model_start(run)

    def _on_llm_end(self, run: Run) -> None:
        self.ended.append(run)

    def close_open(self, error: BaseException) -> None:
        """End the runs that langchain-core leaves open: it reports no cancelled model call."""
        for run in self.started:
            if str(run.id) in self.run_map:
                try:
                    self.on_llm_error(error, run_id=run.id)
                except Exception:
                    _log.warning("a cancelled model run could not be traced", exc_info=True)

    def send(self, run: Run) -> None:
        """Send the end of a run, as the ordinary tracer does at once."""
        super()._on_llm_end(run)


@dataclass(frozen=True, slots=True)
class _Held:
    tracer: _HoldingTracer
    run: Run

    @property
    def abandoned(self) -> bool:
        """Whether the trace has ended, so that no record will come."""
        return str(self.run.trace_id) not in self.tracer.run_map

    def send(self, record: StepRecord | None) -> None:
        if record is not None:
            _note(self.run, record)
        try:
            self.tracer.send(self.run)
        except Exception:
            _log.warning("a model run could not be traced", exc_info=True)


class _Waiting:
    """The held model runs of this process, by id, grouped by trace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trace_of: dict[str, str] = {}
        self._traces: dict[str, dict[str, _Held]] = {}
        self._clients: list[Client] = []

    def hold(self, run_id: str, held: _Held) -> None:
        trace = str(held.run.trace_id)
        with self._lock:
            self._traces.setdefault(trace, {})[run_id] = held
            self._trace_of[run_id] = trace
            if not any(client is held.tracer.client for client in self._clients):
                self._clients.append(held.tracer.client)
            over = [t for t, runs in self._traces.items() if next(iter(runs.values())).abandoned]
            left = [held for trace in over for held in self._drop(trace)]
        for held in left:
            held.send(None)

    def take(self, run_id: str | None, below: Run | None) -> _Held | None:
        """Take a model run out, by its id or as the one right below another run."""
        with self._lock:
            if run_id is None and below is not None:
                runs = self._traces.get(str(below.trace_id), {})
                mine = (i for i, held in runs.items() if held.run.parent_run_id == below.id)
                run_id = next(mine, None)
            trace = self._trace_of.pop(run_id or "", None)
            if trace is None:
                return None
            runs = self._traces[trace]
            held = runs.pop(str(run_id))
            if not runs:
                del self._traces[trace]
            return held

    def send_all(self) -> None:
        with self._lock:
            left = [held for trace in list(self._traces) for held in self._drop(trace)]
        for held in left:
            held.send(None)

    def clients(self) -> list[Client]:
        """Give the clients to flush, the shared one of langchain-core included."""
        with self._lock:
            clients, self._clients = self._clients, []
        shared = langsmith.run_trees._CLIENT
        if shared is not None and not any(client is shared for client in clients):
            clients.append(shared)
        return clients

    def _drop(self, trace: str) -> list[_Held]:
        runs = self._traces.pop(trace)
        for run_id in runs:
            del self._trace_of[run_id]
        return list(runs.values())


def _tracer_of(callbacks: Any) -> LangChainTracer | None:
    if not isinstance(callbacks, BaseCallbackManager):
        return None
    return next((h for h in callbacks.handlers if isinstance(h, LangChainTracer)), None)


def _note(run: Run, record: StepRecord) -> None:
    # A copy: langchain-core lets runs share the metadata of their config.
    run.extra["metadata"] = {**(run.extra.get("metadata") or {}), STEP_KEY: dict(record)}


_waiting = _Waiting()
