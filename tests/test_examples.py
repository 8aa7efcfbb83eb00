"""Every example runs offline, as a newcomer runs it, and prints the right result."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

SAYS = {
    "01_api_formatting": [
        r"PX-1042: in Lyon; PX-2210: in Basel; PX-3001: delivered; PX-2210: held",
        r"(  read +track_parcel.*\n){3}  write +hold_parcel\(number='PX-2210'\)\n\n",
        r"Target of api_formatting: under 100 ms a call of the act lane. Measured: 3 calls",
        r"Held at the depot: PX-2210\n",
    ],
    "02_retrieval": [
        r"Indexed 4 files",
        r"Answer: Backups are kept for 35 days(.|\n)*operations team",
        r"  read +search_folder\(.*\n  read +read_file\(path='backups.md'\)\n\n",
        r"Target of retrieval: under 150 ms a call of the act lane. Measured: 4 calls",
    ],
    "03_plan_validation": [
        r"stop\(service='web'\)\n.*stop\(service='api'\)\n.*stop\(service='db'\)\n",
        r"start\(service='db'\)\n.*start\(service='api'\)\n.*start\(service='web'\)\n\n",
        # One rejection and one approval for the whole plan: no call had a verdict of its own.
        r"Target of plan_validation: 5 to 120 s a call of the reason lane. Measured: 2 calls",
        r"Checked by code: the upgrade kept every rule",
    ],
    "04_formal_verification": [
        r"Answer: int: proved; bv32: refuted by hi = \d+, lo = \d+",
        r"Target of formal_verification: 10 to 300 s a call of the reason lane. Measured: 2 calls",
        r"Checked by code: the counterexample is real",
    ],
    "05_own_graph": [
        r"Stopped to ask a person: Pay 1200 EUR for INV-9\? The answer is no",
        r"Answer: INV-7: paid 80 EUR, INV-9: refused by a person",
        r"Paid: INV-7\n",
        r"'INV-7', 'euros': 80} allowed\n  pay .*'INV-9', 'euros': 1200} refused",
    ],
    "06_pulled_plug": [
        r"The worker ended with signal 9. The bank's book: \['INV-7 80 EUR'\]",
        r"its outcome was never recorded. Did pay\(.*'INV-7'.*\) happen\?",
        r"The bank's book at the end: \['INV-7 80 EUR', 'INV-9 120 EUR'\]",
        r"Checked by code: every invoice was paid once",
    ],
}


NOBODY = {f"AGENTLANES_{lane}_URL": "http://127.0.0.1:1/v1" for lane in ("ACT", "REASON")}

Done = subprocess.CompletedProcess[str]


def run(folder: Path, name: str, *arguments: str, **more: str) -> Done:
    """Run an example outside of the repository, with nothing of ours in its environment."""
    ours = ("OPENAI_", "AGENTLANES_", "LANGSMITH_", "LANGCHAIN_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder,
        env={**env, "COLUMNS": "200", **more},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def runs(folder: Path) -> Iterator[dict[str, Future[Done]]]:
    """Run the examples a few at a time: they mostly wait."""
    with ThreadPoolExecutor(3) as pool:
        begun = {name: pool.submit(run, folder, name) for name in SAYS}
        yield begun | {"nobody": pool.submit(run, folder, "02_retrieval", "--env", **NOBODY)}


def test_every_example_is_tested_and_listed() -> None:
    numbered = {path.stem for path in EXAMPLES.glob("[0-9]*.py")} - {"00_demo"}
    assert numbered == set(SAYS)
    assert set(re.findall(r"`(\d\d_\w+)\.py`", (EXAMPLES / "README.md").read_text())) == numbered


@pytest.mark.parametrize("name", list(SAYS))
def test_an_example_prints_the_right_result(name: str, runs: dict[str, Future[Done]]) -> None:
    done = runs[name].result()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "scripted stand-ins on http://127.0.0.1:" in done.stdout
    for said in SAYS[name]:
        assert re.search(said, done.stdout), done.stdout


def test_an_example_without_lanes_says_so(runs: dict[str, Future[Done]]) -> None:
    done = runs["nobody"].result()
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr.splitlines()[-1]


def test_the_examples_leave_nothing_behind(runs: dict[str, Future[Done]], folder: Path) -> None:
    for done in runs.values():
        done.result()
    assert not list(folder.iterdir())
    assert {path.suffix for path in (EXAMPLES / "notes").iterdir()} == {".md"}
