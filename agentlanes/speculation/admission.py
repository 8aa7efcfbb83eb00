"""Admission: whether a call runs ahead of its verdict, from what that has been worth so far.

Running ahead is a bet. While the reason lane takes `reason` seconds to judge a call, the call
itself (`tool` seconds) and the act lane's next draft (`act` seconds) are done already:

    saved when it is accepted    S = min(reason, tool + act)
    spent when it is rejected    W = tool + min(act, max(0, reason - tool))

`S` is the part of the wait for the verdict that is hidden. `W` counts the call whole, since one
that has started may not be stoppable, and the draft on top of it until the rejection ends it.
Deeper work is not counted here: every further call is a bet of its own. All three times are
running medians; `tool` is the tool's own, or that of all tools until it has one.

A call is worth running ahead while

    p S >= (1 - p) W waste_weight (1 + load),        load = in_flight / capacity

where `p` is the lower end of Wilson's interval for the share of accepted proposals among the
last `window` verdicts of the tool; until it has `min_verdicts` of its own, among those of the act
lane over all tools. With `n` verdicts, `k` of them approving, and `z` standard deviations,

    p = (k + z²/2 - z sqrt(k (n - k) / n + z²/4)) / (n + z²)

(E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
the American Statistical Association 22, 1927, pages 209-212). The lower end and not the share
itself, so that a short lucky streak is no reason to turn back on. A rejected plan counts by the
share of its steps that the corrected plan keeps: what those found out is used.

A rejected read costs work but no wall time, so a tool without evidence is `on`. It goes `off`
when the inequality fails without load, and `on` again when it holds with waste `hysteresis`
times as heavy. While it is off its calls wait for their verdicts, which are counted all the same,
and every `probe_every`-th call, or the first after `probe_s` seconds, runs ahead as a probe, so
that a tool that is judged only now and then cannot stay off for ever. Load holds single calls
back and changes no state.

What a run gives never depends on any of this, only how long it takes and how much is thrown away.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agentlanes.errors import ConfigError
from agentlanes.speculation.measured import (
    Median,
    Share,
    read_duration,
    read_share,
    read_truth,
    refill,
    wilson_lower,
)

__all__ = ["Admission", "AdmissionDecision", "AdmissionState"]

AdmissionState = Literal["on", "off", "probing"]
"""`probing` is `off` with a probe out whose verdict has not come yet."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class AdmissionDecision:
    """Whether a call runs ahead, and why.

    Attributes:
        run_ahead: The call may start before its verdict.
        probe: It may although its tool is off, to learn something.
        accept_low: Lower bound of the share of accepted proposals; 0 without evidence.
        saving_s: Expected saving of wall time, in seconds: `p S`.
        waste_s: Expected waste, in weighted seconds: `(1 - p) W waste_weight (1 + load)`.
        why: The reason, in words.
    """

    run_ahead: bool
    probe: bool
    accept_low: float
    saving_s: float
    waste_s: float
    why: str


@dataclass(slots=True, kw_only=True)
class _Tool:
    share: Share
    time: Median
    on: bool = True
    since: float | None = None
    probing: bool = False
    held: int = 0
    last_probe: float | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"ahead": 0, "held": 0, "probes": 0})


@dataclass(kw_only=True, eq=False)
class Admission:
    """Decides call by call whether running ahead is worth it. See the module for the model.

    It does no I/O, reads no clock and belongs to one event loop at a time. One of them may serve
    any number of runs; what they learn is shared.

    Attributes:
        z: Standard deviations of the lower bound on acceptance.
        window: Verdicts that count, per tool and for the lane; and durations per median.
        min_verdicts: Verdicts before a tool can go off.
        capacity: Calls in flight at which load doubles the weight of waste.
        waste_weight: What a second of work costs against one of waiting; 0 always runs ahead.
        hysteresis: How many times heavier waste is for coming on again, at least 1.
        probe_every: Calls of a tool that is off, per probe.
        probe_s: Seconds after which the next call of a tool that is off is a probe.
        max_tools: Tools that are remembered; the one unused for longest is forgotten first.

    Raises:
        ConfigError: A setting is out of range.

    Example:
        >>> admission = Admission(min_verdicts=4)
        >>> admission.admit("search", in_flight=0, now=0.0).why
        'no evidence yet'
        >>> for _ in range(4):
        ...     admission.observe_verdict("search", False, now=1.0)
        >>> admission.admit("search", in_flight=0, now=2.0).run_ahead
        False
    """

    z: float = 1.645
    window: int = 64
    min_verdicts: int = 8
    capacity: int = 64
    waste_weight: float = 0.5
    hysteresis: float = 1.25
    probe_every: int = 16
    probe_s: float = 60.0
    max_tools: int = 1024

    def __post_init__(self) -> None:
        for name in ("window", "min_verdicts", "capacity", "probe_every", "max_tools"):
            if (count := getattr(self, name)) < 1:
                raise ConfigError(f"{name} is at least 1, not {count}")
        if self.min_verdicts > self.window:
            raise ConfigError(f"min_verdicts ({self.min_verdicts}) is above window ({self.window})")
        for name, least in (("z", 0), ("waste_weight", 0), ("hysteresis", 1), ("probe_s", 0)):
            if not least <= (amount := getattr(self, name)) < math.inf:
                raise ConfigError(f"{name} is a number from {least}, not {amount}")
        self._tools: OrderedDict[str, _Tool] = OrderedDict()
        self._lane = Share(self.window)
        self._act, self._reason, self._any_tool = (Median(self.window) for _ in range(3))

    def admit(self, tool: str, *, in_flight: int, now: float) -> AdmissionDecision:
        """Decide on one call.

        Args:
            tool: The tool's name.
            in_flight: Calls that run ahead at this moment, without this one.
            now: Seconds on any clock that does not go back.
        """
        kept = self._tool(tool, now)
        self._review(kept, now)
        low, verdicts = self._accept_low(kept)
        load = 1 + max(0, in_flight) / self.capacity
        saving, waste = self._expect(kept, low, load)
        if not kept.on:
            decision = self._while_off(kept, in_flight, now)
        elif verdicts < self.min_verdicts:
            decision = (True, False, "no evidence yet")
        elif self._worth(kept, low, load):
            decision = (True, False, "the expected saving is worth the expected waste")
        else:
            decision = (False, False, f"too many calls in flight ({in_flight}) for what it saves")
        run_ahead, probe, why = decision
        kept.counts["ahead" if run_ahead else "held"] += 1
        kept.counts["probes"] += probe
        return AdmissionDecision(run_ahead, probe, low, saving, waste, why)

    def observe_verdict(self, tool: str, accepted: float, *, now: float) -> None:
        """Count the verdict on a call, whether or not it ran ahead.

        Args:
            tool: The tool's name.
            accepted: 1 or 0, or the share of a plan that was left standing.
            now: Seconds on the clock of `admit`.
        """
        kept = self._tool(tool, now)
        kept.share.add(accepted)
        self._lane.add(accepted)
        kept.probing = False
        self._review(kept, now)

    def observe_time(
        self, what: Literal["act", "reason", "tool"], seconds: float, *, tool: str | None = None
    ) -> None:
        """Take in how long something took: a draft, a verdict, or a call of a tool.

        Args:
            what: What took it.
            seconds: How long. What is no finite duration is passed over.
            tool: The tool's name, for `"tool"`.

        Raises:
            ConfigError: `what` is none of the three.
        """
        medians = {"act": self._act, "reason": self._reason, "tool": self._any_tool}
        if what not in medians:
            raise ConfigError(f"times are of 'act', 'reason' or 'tool', not {what!r}")
        if not 0 <= seconds < math.inf:
            return
        medians[what].add(seconds)
        if what == "tool" and tool is not None:
            self._tool(tool, None).time.add(seconds)

    def lane_s(self) -> tuple[float | None, float | None]:
        """Give the median seconds of a draft and of a verdict; `None` is not measured yet."""
        return self._act.value, self._reason.value

    def table(self) -> list[dict[str, Any]]:
        """Give what is known, a row a tool, in the order of their names.

        Rows hold `tool`, `calls` (verdicts that count), `accepted`, `accept_low`, `state`
        (`AdmissionState`), `since` (when that began, `None` before the first call), `saving_s`,
        `waste_s` (as in `AdmissionDecision`, without load), and how many calls so far went
        `ahead`, were `held`, and were `probes` (counted in `ahead` too).
        """
        rows = []
        for name, kept in sorted(self._tools.items()):
            low, _ = self._accept_low(kept)
            saving, waste = self._expect(kept, low)
            rows.append(
                {
                    "tool": name,
                    "calls": len(kept.share.last),
                    "accepted": kept.share.accepted,
                    "accept_low": low,
                    "state": _state(kept),
                    "since": kept.since,
                    "saving_s": saving,
                    "waste_s": waste,
                    **kept.counts,
                }
            )
        return rows

    def snapshot(self) -> dict[str, Any]:
        """Give what was learned, as JSON can hold it. Times of a process's clock are left out."""
        times = {"act": self._act, "reason": self._reason, "any_tool": self._any_tool}
        return {
            "format": _FORMAT,
            "lane": list(self._lane.last),
            "times": {what: list(median.last) for what, median in times.items()},
            "tools": {
                name: {"verdicts": [*kept.share.last], "times": [*kept.time.last], "on": kept.on}
                for name, kept in self._tools.items()
            },
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take over what a snapshot holds, in place of what is known; settings stay as they are.

        Raises:
            ConfigError: It is no snapshot of this format; nothing has changed then.
        """
        fresh = replace(self)
        try:
            fresh._take_in(snapshot)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"not an admission snapshot of format {_FORMAT}: {error!r}; leave it out"
            ) from error
        self.__dict__.update(fresh.__dict__)

    def _take_in(self, snapshot: Mapping[str, Any]) -> None:
        if snapshot["format"] != _FORMAT:
            raise ValueError(f"format {snapshot['format']!r}")
        refill(self._lane, snapshot["lane"], read_share)
        refill(self._act, snapshot["times"]["act"], read_duration)
        refill(self._reason, snapshot["times"]["reason"], read_duration)
        refill(self._any_tool, snapshot["times"]["any_tool"], read_duration)
        for name, held in snapshot["tools"].items():
            kept = self._tool(str(name), None)
            refill(kept.share, held["verdicts"], read_share)
            refill(kept.time, held["times"], read_duration)
            kept.on = read_truth(held["on"])

    def _tool(self, name: str, now: float | None) -> _Tool:
        kept = self._tools.get(name)
        if kept is None:
            kept = _Tool(share=Share(self.window), time=Median(self.window))
            self._tools[name] = kept
            if len(self._tools) > self.max_tools:
                self._tools.popitem(last=False)
        else:
            self._tools.move_to_end(name)
        if kept.since is None and now is not None:
            kept.since = kept.last_probe = now
        return kept

    def _accept_low(self, kept: _Tool) -> tuple[float, int]:
        """Give the bound on acceptance and the number of verdicts behind it."""
        share = kept.share if len(kept.share.last) >= self.min_verdicts else self._lane
        return wilson_lower(share.accepted, len(share.last), self.z), len(share.last)

    def _stakes(self, kept: _Tool) -> tuple[float, float]:
        """Give `S` and `W`, in seconds."""
        act = self._act.value or 0.0
        tool = self._any_tool.value if kept.time.value is None else kept.time.value
        tool = tool or 0.0
        reason = self._reason.value
        if reason is None:
            return tool + act, tool + act
        return min(reason, tool + act), tool + min(act, max(0.0, reason - tool))

    def _expect(self, kept: _Tool, low: float, heavier: float = 1.0) -> tuple[float, float]:
        saved, spent = self._stakes(kept)
        return low * saved, (1 - low) * spent * self.waste_weight * heavier

    def _worth(self, kept: _Tool, low: float, heavier: float) -> bool:
        saved, spent = self._stakes(kept)
        # A ratio: products of very short times vanish. Where nothing was timed, what is hidden is
        # what would be wasted.
        gain = saved / spent if spent else 1.0
        return low * gain >= (1 - low) * self.waste_weight * heavier

    def _review(self, kept: _Tool, now: float) -> None:
        """Turn a tool off or on as the evidence has it."""
        low, verdicts = self._accept_low(kept)
        if verdicts < self.min_verdicts:
            return
        on = self._worth(kept, low, 1.0 if kept.on else self.hysteresis)
        if on != kept.on:
            kept.on, kept.since, kept.last_probe = on, now, now
            kept.held, kept.probing = 0, False

    def _while_off(self, kept: _Tool, in_flight: int, now: float) -> tuple[bool, bool, str]:
        last = now if kept.last_probe is None else kept.last_probe
        if now < last:
            kept.last_probe = last = now  # another clock, as after a restart
        due = kept.held + 1 >= self.probe_every or now - last >= self.probe_s
        if not due or in_flight >= self.capacity:
            kept.held += 1
            return False, False, "the expected waste is above the expected saving"
        kept.held, kept.last_probe, kept.probing = 0, now, True
        return True, True, "a probe of a tool that is off"


def _state(kept: _Tool) -> AdmissionState:
    if kept.on:
        return "on"
    return "probing" if kept.probing else "off"
