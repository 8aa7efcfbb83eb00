"""What a router promises: a probability that a step needs reasoning, and a reason one can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["RouteScore", "Router", "StepFeatures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFeatures:
    """What is known of a step besides its words. Everything may be left out.

    Attributes:
        node: The graph node that asks.
        tool: The tool about to be called, where one is known.
        new_user_turn: The step opens a user turn, rather than follows a tool result.
        n_tools: Tools the act lane may choose from.
        n_required_params: Required parameters of the tool about to be called.
        pending_plan_steps: Steps of the current plan that are not committed yet.
        context_tokens: Tokens of the committed transcript.
        irreversible_reachable: A tool that must not run unverified is among the choices.
        recent_tool_errors: Tool errors since the last committed success.
        repeated_calls: How often the last call was made before with the same arguments.
        failed_validations: Proposals of this turn that schema checks or a verdict refused.
    """

    node: str = "route"
    tool: str = ""
    new_user_turn: bool = True
    n_tools: int = 0
    n_required_params: int = 0
    pending_plan_steps: int = 0
    context_tokens: int = 0
    irreversible_reachable: bool = False
    recent_tool_errors: int = 0
    repeated_calls: int = 0
    failed_validations: int = 0


@dataclass(frozen=True, slots=True)
class RouteScore:
    """What a router made of a step.

    Attributes:
        p_reason: Probability, 0 to 1, that the step needs the reason lane.
        profile: A name in `agentlanes.router.profiles.PROFILES`.
        rule: The hard rule that decided; `None` when the gate did.
        features: Each feature's share of the log-odds; empty when a rule decided alone.
        abstains: The router does not know: what the step needs has to be seen from a draft.
        kind: What kind of request the gate took it for, as `database` or `chat`; empty when a
            rule decided alone.
    """

    p_reason: float
    profile: str
    rule: str | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    abstains: bool = False
    kind: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.p_reason <= 1.0:
            raise ValueError(f"p_reason is a probability, not {self.p_reason!r}")

    def explain(self) -> str:
        """Say in one line what was decided and what weighed most.

        Example:
            >>> RouteScore(0.97, "formal_verification", "prove").explain()
            'p_reason 0.97, formal_verification: rule prove'
        """
        unsure = " (unsure)" if self.abstains else ""
        head = f"p_reason {self.p_reason:.2f}{unsure}, {self.profile}: "
        if self.rule is not None:
            return f"{head}rule {self.rule}"
        heaviest = sorted(self.features.items(), key=lambda item: (-abs(item[1]), item[0]))
        shown = [f"{name} {share:+.2f}" for name, share in heaviest[:4] if share]
        return (
            head
            + (", ".join(shown) or "nothing stood out")
            + (f" (read as {self.kind})" if self.kind else "")
        )


class Router(Protocol):
    """Anything that scores a step. It must be quick (under a millisecond), pure and never raise."""

    def score(self, text: str, step: StepFeatures | None = None) -> RouteScore:
        """Score a step.

        Args:
            text: The user's words, or what the step is about.
            step: What else is known of it.
        """
        ...
