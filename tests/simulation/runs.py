"""Running a schedule on the virtual clock, to its end, through failures, questions and crashes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentlanes.errors import AgentLanesError, CorrectionLimit, StepLimit
from agentlanes.graph import assemble, build_parts
from agentlanes.nodes.custody import Custodies
from agentlanes.nodes.parts import Limits, Parts, VerifyPolicy
from agentlanes.plan import canonical
from agentlanes.router import LanePolicy
from agentlanes.speculation.admission import Admission, AdmissionDecision
from agentlanes.speculation.exchange import Exchanges
from agentlanes.speculation.ledger import MemoryLedger
from agentlanes.state import ProposalDict
from agentlanes.testing import Deadlock, VirtualClock
from tests.simulation.lanes import Lanes, Request, models
from tests.simulation.schedules import Schedule, Trouble
from tests.simulation.worlds import SESSION, STAGE, TIMEOUT_S, Cursor, Event, World, kit, spread

__all__ = ["Outcome", "run"]

LIVES, QUESTIONS = 8, 40
CONFIG: Any = {"configurable": {"thread_id": "t"}}
ASK = {"messages": [("user", "do it")]}


@dataclass(kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        committed: Calls with arguments, effect class and result, in order.
        answer: The answer; empty when the run ended with an error.
        error: Type of the error that ended it.
        transcript: Its messages, without random ids.
        world: All state at the end.
        requests: What the lanes were asked.
        took_s: Virtual seconds.
        log: What happened to the world.
        stream: The custom stream.
        edits: Calls as a person changed them.
        left: Tasks, exchanges or failures that were still there at the end.
        deadlock: The loop stood still.
    """

    committed: list[tuple[Any, ...]]
    answer: str
    error: str | None
    transcript: list[tuple[Any, ...]]
    unverified: int
    world: dict[str, Any]
    requests: list[Request]
    took_s: float
    log: list[Event]
    stream: list[tuple[float, dict[str, Any]]]
    edits: list[tuple[str, str]]
    left: list[str]


class Moody(Admission):
    """Lets calls run ahead or not by their name and number, for no reason."""

    def admit(self, tool: str, *, in_flight: int, now: float) -> AdmissionDecision:
        given = super().admit(tool, in_flight=in_flight, now=now)
        number = sum(row["ahead"] + row["held"] for row in self.table())
        return replace(given, run_ahead=spread(f"{tool} {number}") > 0.3)


@lru_cache(maxsize=64)
def _base(kit_name: str, reversible: bool) -> Parts:
    act, reason = models()
    ahead: Any = ("pure", "read", "session", *(["reversible"] if reversible else []))
    return build_parts(act, reason, kit(kit_name), runs_ahead=ahead, tool_timeout_s=TIMEOUT_S)


@dataclass(kw_only=True)
class Simulation:
    """One run of a schedule: what survives a crash (world, saver, ledger) and who drives it."""

    schedule: Schedule
    run_ahead: int
    lanes: Lanes
    world: World
    saver: InMemorySaver | None
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    stream: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    edits: list[tuple[str, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    resumed: int = 0
    asked: int = 0
    parts: Parts = field(init=False)
    agent: Any = field(init=False)

    def build(self) -> None:
        """Build the agent anew, as another process would."""
        given, base = self.schedule, _base(self.schedule.kit, self.schedule.reversible)
        base.act.calls.clear()  # type: ignore[attr-defined]
        base.reason.calls.clear()  # type: ignore[attr-defined]
        admission = {"none": None, "own": Admission(), "moody": Moody()}[given.admission]
        self.parts = replace(
            base,
            exchanges=Exchanges(),
            custodies=Custodies(self.ledger),
            limits=Limits(
                max_run_ahead=self.run_ahead,
                max_window=given.max_window,
                max_corrections=given.max_corrections,
                max_steps=given.max_steps,
            ),
            verify=VerifyPolicy(default=given.verify),
            policy=LanePolicy(quality=given.quality),
            planning=given.planning,
            admission=admission,
            deliver=given.deliver,
            profile=given.profile,
            approval=self._asks if given.person else None,
        )
        self.agent = assemble(self.parts).compile(checkpointer=self.saver)

    def _asks(self, proposal: ProposalDict) -> bool:
        return proposal["tool"] in self.schedule.person

    async def drive(self) -> None:
        """Run until there is an answer or an error that resuming does not mend."""
        given = await self._where_it_stands()
        while given is not False:
            self.error = None
            try:
                given = await self._once(given)
            except Deadlock:
                raise
            except AgentLanesError as error:
                self.error = type(error).__name__
                ended = isinstance(error, CorrectionLimit | StepLimit) or self.saver is None
                self.resumed += 1
                self.lanes.life += 1
                if ended or self.resumed > LIVES:
                    break
                given = None

    async def _where_it_stands(self) -> Any:
        """Give what to go on with: the request, nothing, or `False` when the run has ended."""
        if self.saver is None:
            return ASK
        state = await self.agent.aget_state(CONFIG)
        if not state.values.get("messages"):
            return ASK
        self.values = state.values
        # `next` names no node that was cancelled, but its task is there.
        return None if state.tasks else False

    async def _once(self, given: Any) -> Any:
        """Invoke the agent once; give what to resume it with, or `False` when it has ended."""
        asked: list[Any] = []
        options: dict[str, Any] = {}
        if self.saver is not None:
            options["durability"] = self.schedule.durability
        stream = self.agent.astream(given, CONFIG, stream_mode=["custom", "values"], **options)
        async for mode, chunk in stream:
            if mode == "custom":
                self.stream.append((STAGE.now(), chunk))
            elif "__interrupt__" in chunk:
                asked += chunk["__interrupt__"]
            else:
                self.values = chunk
        if not asked:
            return False
        self.asked += 1
        assert self.asked <= QUESTIONS, f"asks a person for ever: {asked[0].value}"
        return Command(resume={i.id: self._answer(i.value) for i in asked})

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer as a person would: after a look at the world, or as the schedule says."""
        if asked["type"] == "agentlanes.unknown_effect":
            done = self.world.told.get(asked["key"])
            return (
                {"outcome": "not_applied"} if done is None else {"outcome": "done", "result": done}
            )
        action = asked["action_requests"][0]
        decision = self.schedule.person[action["name"]]
        if decision != "edit":
            return {"decisions": [{"type": decision, "message": "no"}]}
        args = {
            name: f"{value}+" if isinstance(value, str) else value + 1
            for name, value in action["args"].items()
        }
        self.edits.append((action["name"], canonical(args)))
        edited = {"name": action["name"], "args": args}
        return {"decisions": [{"type": "edit", "edited_action": edited}]}

    async def look_for_what_is_left(self, after: str) -> None:
        """Note tasks and exchanges that nobody will end; `drive` has to be the only task."""
        for _ in range(5):
            await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        self.left += [f"a task after {after}: {task.get_coro()}" for task in rest]
        if len(self.parts.exchanges) and after == "the end":
            self.left.append("an open exchange")

    def outcome(self, took_s: float) -> Outcome:
        values = self.values
        return Outcome(
            committed=[
                (c["tool"], canonical(c["args"]), c["effect"], c["result"])
                for c in values.get("committed", ())
            ],
            answer=values.get("answer") or "" if self.error is None else "",
            error=self.error,
            transcript=[
                (m.type, m.content, json.dumps(getattr(m, "tool_calls", None)), m.name)
                for m in values.get("messages", ())
            ],
            unverified=values["run"]["unverified"] if values.get("run") else 0,
            world=self.world.snapshot(),
            requests=self.lanes.requests,
            took_s=took_s,
            log=self.world.log,
            stream=self.stream,
            edits=self.edits,
            left=self.left,
        )


def run(
    schedule: Schedule, *, run_ahead: int, troubles: tuple[Trouble, ...] = (), lasts_s: float = 0.0
) -> Outcome:
    """Run a schedule.

    Args:
        schedule: The schedule.
        run_ahead: Unverified proposals in flight; 0 is the serial run.
        troubles: What happens to the run.
        lasts_s: Virtual seconds it takes undisturbed.
    """
    simulation = _begin(schedule, run_ahead)
    pending = sorted(troubles, key=lambda trouble: trouble.at)
    clocks = [_start(simulation, 0.0)]
    try:
        for trouble in pending:
            at = max(clocks[-1].now, trouble.at * lasts_s)
            if trouble.what == "cancel":
                # The process lives on, and the run is resumed in it.
                clocks[-1].run(_cancelled(simulation, at))
            else:
                _killed(simulation, clocks[-1], at)
                clocks.append(_start(simulation, clocks[-1].now))
        clocks[-1].run(_undisturbed(simulation))
        outcome = simulation.outcome(clocks[-1].now)
    finally:
        _clean_up(clocks)
    return outcome


def _start(simulation: Simulation, now: float) -> VirtualClock:
    """Begin as a new process: another loop, another agent object."""
    STAGE.clock = clock = VirtualClock(now)
    simulation.build()
    return clock


def _begin(schedule: Schedule, run_ahead: int) -> Simulation:
    world = World(schedule.seed, schedule.moods, schedule.tool_s)
    world.undo_fails = schedule.undo_fails
    lanes = Lanes(
        truth=schedule.truth,
        wrong=schedule.wrong,
        stubborn=schedule.stubborn,
        batch=schedule.batch,
        plan_slips=schedule.plan_slips,
        open_steps=schedule.open_steps,
        quirks=schedule.quirks,
        act_fails=schedule.act_fails,
        suggests=schedule.suggests,
        revises=schedule.revises,
        seed=schedule.seed,
        act_s=schedule.act_s,
        reason_s=schedule.reason_s,
    )
    STAGE.world, STAGE.lanes = world, lanes
    SESSION.value = Cursor(schedule.seed)
    return Simulation(
        schedule=schedule,
        run_ahead=run_ahead,
        lanes=lanes,
        world=world,
        saver=InMemorySaver() if schedule.saver else None,
    )


async def _undisturbed(simulation: Simulation) -> None:
    await simulation.drive()
    after = "an error" if simulation.error else "the end"
    await simulation.look_for_what_is_left(after)


async def _cancelled(simulation: Simulation, at: float) -> None:
    """Cancel the run at a time; its task must then end, with nothing left behind."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(simulation.drive())
    timer = loop.call_at(at, task.cancel)
    await asyncio.wait({task})
    timer.cancel()
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    await simulation.look_for_what_is_left("a cancel")


def _killed(simulation: Simulation, clock: VirtualClock, at: float) -> None:
    """Stop the loop at a time and never go on with it: nothing cleans up after a crash."""
    task = clock.create_task(simulation.drive())

    def stop(_: Any) -> None:
        clock.stop()

    task.add_done_callback(stop)
    timer = clock.call_at(at, clock.stop)
    clock.run_forever()
    timer.cancel()
    task.remove_done_callback(stop)
    if task.done():
        task.result()


def _clean_up(clocks: list[VirtualClock]) -> None:
    """End what was abandoned, after everything was compared, and on another world."""
    STAGE.world = World(0, {}, 0.0)
    for clock in clocks:
        STAGE.clock = clock
        clock.set_exception_handler(lambda *_: None)
        with clock:
            pass
