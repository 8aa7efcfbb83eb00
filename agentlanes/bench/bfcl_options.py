"""What `agentlanes bench bfcl` can be asked."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from agentlanes.bench.bfcl_run import PassName
from agentlanes.errors import ConfigError

__all__ = ["BfclOptions", "add_arguments", "options_from"]

_SAMPLE_EVERY = 4

Planning = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BfclOptions:
    """What to run. `None` means a default that depends on who answers.

    Attributes:
        tasks: How many tasks, from the first of `multi_turn_base`, which has 200.
        lanes: `scripted` stand-ins that know the ground truth, or `local` models.
        act_error: Share of its calls that the scripted act lane gets wrong at first.
        seed: Seed of those errors.
        concurrency: Tasks in flight at a time; by default 6 for scripted lanes, and 1 for local
            models, which share the processor.
        act_ms: How long the scripted act lane takes for a reply.
        reason_ms: How long the scripted reason lane takes.
        tool_ms: How long a tool call takes; the simulated APIs themselves answer at once.
        planning: As for `build_agent`; the serial pass never plans. By default `always` for
            scripted lanes and `never` for local ones.
        serial_plan: Whether also to run a serial pass in which a plan's verdict covers its steps,
            which shows what planning alone gains: in a `sample` of every fourth task, in `all`,
            or in `none`.
        turn_s: How long a user turn may take; a longer one loses the task. By default without a
            bound for scripted lanes, and 90 for local ones.
        max_steps: Committed calls that end a turn; by default 200, and 10 for local lanes.
        max_corrections: Rejections in a row that a turn survives; by default 5, and 1 for
            local lanes.
        reply_tokens: Tokens of an embedded model's reply; a longer one is an error.
        ctx: Context of an embedded model, in tokens.
        act_url: Endpoint of the act lane, in place of embedded local models.
        reason_url: Endpoint of the reason lane.
        act_model: The act lane's model at `act_url`.
        reason_model: The reason lane's model at `reason_url`.
    """

    tasks: int = 20
    lanes: Literal["scripted", "local"] = "scripted"
    act_error: float = 0.0
    seed: int = 0
    concurrency: int | None = None
    act_ms: float = 20.0
    reason_ms: float = 200.0
    tool_ms: float = 0.0
    planning: Planning | None = None
    serial_plan: Literal["sample", "all", "none"] = "sample"
    turn_s: float | None = None
    max_steps: int | None = None
    max_corrections: int | None = None
    reply_tokens: int = 256
    ctx: int = 16384
    act_url: str | None = None
    reason_url: str | None = None
    act_model: str = "act"
    reason_model: str = "reason"

    def __post_init__(self) -> None:
        if self.tasks > 200:
            raise ConfigError("multi_turn_base has 200 tasks: --tasks goes up to 200")
        if self.tasks < 1 or self.in_flight < 1:
            raise ConfigError("--tasks and --concurrency start at 1")
        if not 0 <= self.act_error <= 1:
            raise ConfigError("--act-error is a share: from 0 to 1")
        if min(self.act_ms, self.reason_ms, self.tool_ms) < 0:
            raise ConfigError("--act-ms, --reason-ms and --tool-ms start at 0")
        if self.turn_s is not None and self.turn_s <= 0:
            raise ConfigError("--turn-s is a time above 0")
        if self.steps < 1 or self.corrections < 0 or min(self.reply_tokens, self.ctx) < 1:
            raise ConfigError(
                "--max-steps, --reply-tokens and --ctx start at 1, --max-corrections at 0"
            )
        if (self.act_url is None) != (self.reason_url is None):
            raise ConfigError("give both --act-url and --reason-url, or neither")

    @property
    def embedded(self) -> bool:
        """Whether the models are small ones that this command serves itself."""
        return self.lanes == "local" and self.act_url is None

    @property
    def in_flight(self) -> int:
        """Tasks in flight at a time."""
        return self._or(self.concurrency, scripted=6, local=1)

    @property
    def plans(self) -> Planning:
        """Whether turns begin with a plan."""
        return self.planning or ("always" if self.lanes == "scripted" else "never")

    @property
    def turn_bound_s(self) -> float | None:
        """How long a turn may take, in seconds."""
        return 90.0 if self.turn_s is None and self.lanes == "local" else self.turn_s

    @property
    def steps(self) -> int:
        """Committed calls that end a turn."""
        return self._or(self.max_steps, scripted=200, local=10)

    @property
    def corrections(self) -> int:
        """Rejections in a row that a turn survives."""
        # Told a second time of the same mistake, a model at temperature 0 gets the same request
        # as the first time, and makes it again.
        return self._or(self.max_corrections, scripted=5, local=1)

    def passes(self, index: int) -> tuple[PassName, ...]:
        """Give the passes that a task is run in, in the order in which it is.

        The order alternates: no way is always the one that finds the caches warm.

        Args:
            index: The task's place, from 0.
        """
        passes: tuple[PassName, ...] = ("lanes", "serial")
        chosen = self.serial_plan == "all" or (
            self.serial_plan == "sample" and index % _SAMPLE_EVERY == 0
        )
        if chosen and self.plans != "never":
            passes = ("lanes", "serial", "serial_plan")
        # By fours, so that the sampled tasks do not all begin with the same pass.
        turn = (index // _SAMPLE_EVERY + index) % len(passes)
        return passes[turn:] + passes[:turn]

    def asked(self) -> dict[str, Any]:
        """Give the options as plain data, with the defaults that apply filled in."""
        return {
            **asdict(self),
            "concurrency": self.in_flight,
            "planning": self.plans,
            "turn_s": self.turn_bound_s,
            "max_steps": self.steps,
            "max_corrections": self.corrections,
        }

    def _or(self, given: int | None, *, scripted: int, local: int) -> int:
        if given is not None:
            return given
        return scripted if self.lanes == "scripted" else local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the bench's options to a parser."""
    base = BfclOptions()
    add = parser.add_argument
    add("--tasks", type=int, default=base.tasks, help="the first N of multi_turn_base (1 to 200)")
    add("--lanes", choices=["scripted", "local"], default=base.lanes, help="who answers")
    add("--act-error", type=float, default=base.act_error, metavar="SHARE",
        help="share of its calls that the scripted act lane gets wrong at first")  # fmt: skip
    add("--seed", type=int, default=base.seed, help="seed of those errors")
    add("--concurrency", type=int, help="tasks in flight at a time (scripted: 6, local: 1)")
    add("--act-ms", type=float, default=base.act_ms, help="latency of the scripted act lane")
    add("--reason-ms", type=float, default=base.reason_ms, help="and of the scripted reason lane")
    add("--tool-ms", type=float, default=base.tool_ms, help="how long a tool call takes")
    add("--planning", choices=["auto", "always", "never"],
        help="whether turns begin with a plan that is validated once "
        "(scripted: always, local: never)")  # fmt: skip
    add("--serial-plan", choices=["sample", "all", "none"], default=base.serial_plan,
        help="tasks also run serially with plans that are validated once")  # fmt: skip
    add("--turn-s", type=float, metavar="SECONDS",
        help="how long a user turn may take; a longer one loses the task "
        "(scripted: no bound, local: 90)")  # fmt: skip
    add("--max-steps", type=int, help="calls that end a turn (scripted: 200, local: 10)")
    add("--max-corrections", type=int,
        help="rejections in a row that a turn survives (scripted: 5, local: 1)")  # fmt: skip
    add("--reply-tokens", type=int, default=base.reply_tokens,
        help="tokens of an embedded model's reply")  # fmt: skip
    add("--ctx", type=int, default=base.ctx, help="context of an embedded model, in tokens")
    add("--act-url", help="endpoint of the act lane, with --lanes local")
    add("--act-model", default=base.act_model, help="its model")
    add("--reason-url", help="endpoint of the reason lane, with --lanes local")
    add("--reason-model", default=base.reason_model, help="its model")
    add("--json", type=Path, metavar="FILE", dest="json_file", help="write the result here")


def options_from(args: argparse.Namespace) -> BfclOptions:
    """Read the options off parsed arguments.

    Raises:
        ConfigError: They contradict each other.
    """
    return BfclOptions(**{name: getattr(args, name) for name in BfclOptions.__dataclass_fields__})
