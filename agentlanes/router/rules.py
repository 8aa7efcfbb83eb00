"""Hard rules: what a step's words or counters say plainly, before any score is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from agentlanes.router.features import clip
from agentlanes.router.gate import Gate
from agentlanes.router.profiles import PROFILES
from agentlanes.router.router import Router, RouteScore, StepFeatures
from agentlanes.router.weights import load_weights

__all__ = ["RULES", "LaneName", "Rule", "RuleRouter", "load_router"]

LaneName = Literal["act", "reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One hard rule. It fires when its words are found or one of its counters is reached.

    Attributes:
        name: What `RouteScore.rule` calls it.
        profile: The workload profile it chooses.
        lane: The lane it decides for; `None` names the profile only and leaves the lane to the
            gate, whose word for the reason lane then overrules the profile as well.
        words: A regular expression, case ignored, searched in the text.
        node: The graph node that asks.
        at_least: Counters of `StepFeatures`, each with the value from which the rule fires.
    """

    name: str
    profile: str
    lane: LaneName | None
    words: str = ""
    node: str = ""
    at_least: Mapping[str, int] = field(default_factory=dict)

    def fires(self, text: str, step: StepFeatures | None) -> bool:
        """Say whether the rule applies. `text` is searched as it is."""
        if self.words and re.search(self.words, text, re.IGNORECASE | re.DOTALL):
            return True
        if step is None:
            return False
        if self.node and step.node == self.node:
            return True
        return any(getattr(step, name) >= value for name, value in self.at_least.items())


RULES: tuple[Rule, ...] = (
    Rule(name="deliver", profile="api_formatting", lane="act", node="deliver"),
    Rule(name="irreversible call", profile="plan_validation", lane="reason", node="effects"),
    Rule(
        name="stuck",
        profile="plan_validation",
        lane="reason",
        at_least={"repeated_calls": 2, "recent_tool_errors": 3, "failed_validations": 2},
    ),
    Rule(
        name="proof",
        profile="formal_verification",
        lane="reason",
        words=r"\b(?:dis)?prove (?:that|the following|or |it\b|whether|by |for all|equival|correct)"
        r"|\b(?:formal(?:ly)?|machine.checked) (?:proof|prove|verif)|\bproof (?:that|by)\b"
        r"|\bcounter-?examples?\b|\b(?:un)?satisfiab\w+|\b(?:theorem|lemma) \w+\s*[:({\[]"
        r"|\b(?:loop )?invariants? hold|\bequivalent for (?:all|every)\b",
    ),
    Rule(
        name="plan check",
        profile="plan_validation",
        lane="reason",
        words=r"\b(?:validate|verify|criti(?:que|cize))\b[^.?!\n]{0,40}\b(?:plan|itinerary|steps)\b"
        r"|\b(?:plan|itinerary|schedule|sequence of (?:actions|steps))\b[^.?!\n]{0,60}"
        r"\b(?:valid|feasible|executable|violat\w+|satisf\w+|reach\w* the goal)\b"
        r"|\b(?:valid|feasible|executable)\b[^.?!\n]{0,40}\b(?:plan|itinerary|schedule)\b",
    ),
    Rule(
        name="planning problem",
        profile="plan_validation",
        lane="reason",
        words=r"\A(?>.*?\binitial(?:ly)? (?:states?|conditions?)\b).*\bgoals?\b"
        r"|\bsubject to (?:the |these |following )*constraints?\b",
    ),
    Rule(
        name="format",
        profile="api_formatting",
        lane="act",
        words=r"^\W*(?:please )?(?:(?:re)?format|reword|translate|turn|put|render|convert)"
        r" (?:this|that|it|these|them|the (?:above|result|answer|output|reply)s?)\b"
        r"[^\n]{0,80}$",
    ),
    Rule(
        name="lookup",
        profile="retrieval",
        lane=None,
        words=r"^\W*(?:please |can you |could you )?(?:search|look up|retrieve|fetch|grep|read|open"
        r"|find (?:me )?(?:the |a |any |all )?(?:\w+ )?(?:documents?|files?|pages?|passages?"
        r"|articles?|e?mails?|records?|notes?))\b|\baccording to (?:the|our|my) (?:docs?"
        r"|documentation|files?|manual|handbook|wiki|notes?)\b",
    ),
)
"""Asked in this order; the first that fires decides."""

_P: Mapping[str, float] = MappingProxyType({"act": 0.03, "reason": 0.97})


class RuleRouter:
    """Hard rules first, then the trained gate.

    Args:
        rules: Asked in order; the first that fires decides.
        tools: Lane by tool name, before any rule: for the tools whose calls you know better.
        profiles: Lane by profile name, over what the rule or the gate of that profile says.
        threshold: From this probability the gate chooses a reason-lane profile, 0 to 1.
        gate: Reads what no rule decides; the shipped one by default.

    Raises:
        ValueError: The threshold is no probability, or an override names no profile or lane.

    Example:
        >>> RuleRouter().score("Prove that x + 0 = x for all x").profile
        'formal_verification'
        >>> RuleRouter().score("set the volume to 4 now").profile
        'api_formatting'
        >>> careful = RuleRouter(tools={"wire_money": "reason"})
        >>> careful.score("pay the rent", StepFeatures(tool="wire_money")).rule
        'tool wire_money'
    """

    def __init__(
        self,
        rules: tuple[Rule, ...] = RULES,
        *,
        tools: Mapping[str, LaneName] | None = None,
        profiles: Mapping[str, LaneName] | None = None,
        threshold: float = 0.5,
        gate: Gate | None = None,
    ) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold is a probability, not {threshold!r}")
        self._rules = rules
        self._tools = dict(tools or {})
        self._profiles = dict(profiles or {})
        unknown = set(self._profiles) - set(PROFILES)
        lanes = {*self._tools.values(), *self._profiles.values()}
        if unknown or not lanes <= {"act", "reason"}:
            raise ValueError(
                f"an override maps a tool, or one of {sorted(PROFILES)}, to 'act' or 'reason'"
            )
        self._threshold = threshold
        self._gate = Gate() if gate is None else gate

    def score(self, text: str, step: StepFeatures | None = None) -> RouteScore:
        """Score a step. See `Router.score`."""
        text = clip(text)
        if step is not None and step.tool in self._tools:
            lane = self._tools[step.tool]
            profile = "plan_validation" if lane == "reason" else "api_formatting"
            return RouteScore(_P[lane], profile, f"tool {step.tool}")
        rule = next((rule for rule in self._rules if rule.fires(text, step)), None)
        if rule is not None and rule.lane is not None:
            lane = self._profiles.get(rule.profile, rule.lane)
            return RouteScore(_P[lane], rule.profile, rule.name)
        read = self._gate.read(text, step)
        if read.p_reason >= self._threshold:
            profile, name = "plan_validation", None
        elif rule is not None:
            profile, name = rule.profile, rule.name
        else:
            profile, name = "api_formatting", None
        if profile in self._profiles:
            return RouteScore(_P[self._profiles[profile]], profile, f"profile {profile}")
        return RouteScore(
            read.p_reason, profile, name, read.shares, abstains=read.abstains, kind=read.kind
        )


def load_router(weights: Path | None = None) -> Router:
    """Give the router that `build_agent` uses unless it is told otherwise.

    Args:
        weights: A file that `agentlanes router train` wrote; the shipped weights by default.

    Raises:
        ConfigError: The file is not a weights file.
    """
    return RuleRouter(gate=None if weights is None else Gate(load_weights(weights)))
