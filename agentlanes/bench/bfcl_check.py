"""Whether a task was done right: BFCL's own checker, and our live instances.

BFCL's checker replays call strings in instances of its own, so it cannot see a live world that a
discarded call has touched. Therefore both: the committed calls pass the checker, and the live
instances hold exactly what the ground truth's calls leave behind, private attributes included.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import CATEGORY, Task, import_from
from agentlanes.bench.bfcl_tools import World

__all__ = ["Checker", "Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found.

    Attributes:
        passed: BFCL's checker accepts the committed calls.
        same_world: The live instances equal the ground truth's.
        why: What is wrong, or an empty text.
    """

    passed: bool
    same_world: bool
    why: str = ""

    @property
    def correct(self) -> bool:
        """Whether both hold."""
        return self.passed and self.same_world


class Checker:
    """Checks tasks, each independently of those checked before.

    Args:
        wheel: The file that `fetch_wheel` gave.
        catalog: The wheel's tools.
    """

    def __init__(self, wheel: Path, catalog: Catalog) -> None:
        module = import_from(wheel, "eval_checker.multi_turn_eval.multi_turn_checker")
        # The checker keeps its instances in the executor's globals, by name.
        self._executor = import_from(wheel, "eval_checker.multi_turn_eval.multi_turn_utils")
        self._check = module.multi_turn_checker
        self._catalog = catalog
        self._numbers = itertools.count()
        self._defaults = [
            (method, copy.deepcopy(method.__defaults__))
            for api in catalog.apis.values()
            for _, method in inspect.getmembers(api, inspect.isfunction)
            if method.__defaults__ and any(isinstance(d, list | dict) for d in method.__defaults__)
        ]

    def check(self, task: Task, committed: Sequence[Sequence[Call]], world: World) -> Finding:
        """Check one task.

        Args:
            task: The task.
            committed: The calls that were committed, turn by turn.
            world: The live instances the tools were bound to.
        """
        passed, why = self._passes(task, committed)
        truth = World(self._catalog, task)
        for turn in task.truth:
            for text in turn:
                truth.execute(self._catalog.parse(text, task.classes))
        wanted, held = truth.state(), world.state()
        differing = [owner for owner in wanted if wanted[owner] != held[owner]]
        if differing and not why:
            why = f"the live {', '.join(differing)} differs from the ground truth's"
        return Finding(passed=passed, same_world=not differing, why=why)

    def _passes(self, task: Task, committed: Sequence[Sequence[Call]]) -> tuple[bool, str]:
        if len(committed) < len(task.truth):
            return False, f"only {len(committed)} of {len(task.truth)} turns were run"
        name = f"agentlanes{next(self._numbers)}"
        strings = [[[str(call)] for call in turn] for turn in committed]
        self._restore_defaults()
        try:
            said = self._check(
                strings, [list(turn) for turn in task.truth], dict(task.entry), CATEGORY, name
            )
        except Exception as error:  # it evaluates what a model wrote
            return False, f"the checker raised {type(error).__name__}: {error}"
        finally:
            for key in [key for key in vars(self._executor) if key.startswith(name)]:
                delattr(self._executor, key)
        return bool(said["valid"]), str(said.get("error_message", ""))

    def _restore_defaults(self) -> None:
        # `mention` extends a list that `post_tweet` took from its own default: without this, one
        # task's mentions would show in the next one's tweets.
        for method, defaults in self._defaults:
            method.__defaults__ = copy.deepcopy(defaults)
