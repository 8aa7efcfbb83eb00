from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentlanes import __version__
from agentlanes.cli.main import main
from agentlanes.latency.jsonl import read_run, read_runs
from agentlanes.latency.record import StepRecord
from tests.cli.graph_forms import TRUTH

FORMS = Path(__file__).with_name("graph_forms.py")
ROOT = FORMS.parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTLANES_RUNS", raising=False)


def run(attribute: str, *options: str, text: str = "do it") -> int:
    return main(["run", f"{FORMS}:{attribute}", text, *options])


def start(attribute: str, *options: str, **popen: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "default::ResourceWarning", "-m", "agentlanes.cli.main"]
    command += ["run", f"{FORMS}:{attribute}", "do it", *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "120"}
    for name in ("FORCE_COLOR", "NO_COLOR", "CI"):
        env.pop(name, None)
    return subprocess.Popen(command, env=env, **popen)


def test_the_answer_the_lanes_and_the_latency_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plain_factory") == 0
    out = capsys.readouterr().out
    for line in (
        r'act +0\.0 +runs ahead look\(key="a"\)',
        r'act +0\.1 +proposes store\(key="x", value="1"\), waits for its verdict',
        r"reason +0\.0 +approved",
        r'effects +0\.1 +runs store\(key="x", value="1"\)',
        r"reason +1\.0 +rejected: at 2",
        r'settle +1\.0 +discards store\(key="bad", value="bad"\)',
        r"^done: 3 calls$",
    ):
        assert re.search(line, out, re.MULTILINE), f"{line!r} is not in\n{out}"
    assert "effects" in out.rpartition("done: 3 calls")[2], "the latency table comes last"


def test_json_holds_the_full_result() -> None:
    assert run("plain_factory", "--json", "out.json") == 0
    result = json.loads(Path("out.json").read_text())
    assert result["answer"] == "done: 3 calls"
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH
    assert all(set(c) == {"tool", "args", "effect", "result"} for c in result["committed"])
    assert all(set(s) == set(StepRecord.__annotations__) for s in result["steps"])
    assert [s["step"] for s in result["steps"]] == list(range(len(result["steps"])))
    assert (result["status"], result["error"]) == ("done", None)


def test_every_run_leaves_its_records() -> None:
    assert run("plain_factory", "--json", "out.json", "--quiet") == 0
    assert run("plain_factory", "--quiet") == 0
    files = list(Path(".agentlanes/runs").glob("*.jsonl"))
    assert len(files) == 2
    result = json.loads(Path("out.json").read_text())
    log = Path(f".agentlanes/runs/{result['run_id']}.jsonl")
    assert log in files
    logged = read_run(log)
    assert logged.steps == result["steps"]
    assert logged.result is not None
    assert logged.result["committed"] == result["committed"]
    assert logged.result["answer"] == "done: 3 calls"


def test_the_file_says_how_it_was_run_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLANES_ACT_URL", "http://me:hush@127.0.0.1:9/v1?key=hush")
    monkeypatch.setenv("AGENTLANES_ACT_KEY", "hush")
    monkeypatch.setenv("OPENAI_API_KEY", "hush")
    assert run("plain_factory", "--quiet") == 0
    (logged,) = read_runs(".agentlanes/runs")
    assert logged.graph is not None
    assert logged.graph.endswith("graph_forms.py:plain_factory")
    assert logged.head["input"] == "do it"
    assert logged.head["settings"]["act_url"] == "http://127.0.0.1:9/v1"
    assert logged.head["settings"]["version"] == __version__
    assert logged.result is not None
    assert logged.result["wall_ms"] >= max(step["ended_ms"] or 0.0 for step in logged.steps)
    assert "hush" not in logged.path.read_text()


def test_at_the_end_it_says_where_the_time_went_and_how_to_see_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("planning") == 0
    out = capsys.readouterr().out
    assert re.search(r"Where [^:]* went: .*waiting for verdicts", " ".join(out.split()))
    (logged,) = read_runs(".agentlanes/runs")
    assert out.endswith(f"See it: agentlanes report {logged.path} --html report.html\n")


def test_quiet_prints_the_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plain_factory", "--quiet") == 0
    assert capsys.readouterr() == ("done: 3 calls\n", "")


def test_an_answer_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("steering", "--json", "out.json") == 0
    assert "first line\nsecond?[2J line\n" in capsys.readouterr().out
    result = json.loads(Path("out.json").read_text())
    assert result["answer"] == "first line\nsecond\x1b[2J line"


def test_a_result_that_cannot_be_written_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").mkdir()
    assert run("plain_factory", "--json", "taken") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_plan_is_shown_with_what_follows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("planning") == 0
    out = capsys.readouterr().out
    assert re.search(r"act +0\.0 +proposes plan: look, store, look", out)
    assert re.search(r"reason +0\.0 +approved", out)


def test_reads_before_their_turn_and_plans_drafted_again_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("planned_again") == 0
    out = capsys.readouterr().out
    for line in (
        r'act +step 3 runs look\(key="b"\) before its turn',
        r'act +step 3 done in [\d.]+ s: look\(key="b"\)',
        r"act +0\.0 +drafts the plan again: step 4, look, cannot be made",
        r"act +0\.0 +has drafted the plan again",
        r'act +step 2 runs look\(key="c"\) for the new plan',
    ):
        assert re.search(line, out, re.MULTILINE), f"{line!r} is not in\n{out}"


def test_runs_side_by_side_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("side_by_side", "--json", "out.json") == 0
    out = capsys.readouterr().out
    (wrong,) = re.findall(r"settle +(\S+) +discards", out)
    first, second = sorted(read_runs(".agentlanes/runs"), key=lambda one: one.run_id)
    assert second.run_id == f"{first.run_id}.2"
    assert second.head["part_of"] == first.run_id
    corrected = second if wrong.startswith("2:") else first
    for one in (first, second):
        assert [step["step"] for step in one.steps] == list(range(len(one.steps)))
        lost = [step for step in one.steps if step["outcome"] == "discarded"]
        assert bool(lost) == (one is corrected)
        assert one.result is not None
        ends = max(step["ended_ms"] or 0.0 for step in one.steps)
        assert (one.status, one.result["wall_ms"]) == ("done", ends)
        assert [event["window"] for event in one.events if event["type"] == "settled"]
    assert "run 1 of 2" in out
    assert "run 2 of 2" in out
    assert out.count("Where ") == 2
    assert out.endswith(f"{first.path.parent}/{first.run_id}*.jsonl --html report.html\n")
    steps = json.loads(Path("out.json").read_text())["steps"]
    assert steps == [*first.steps, *second.steps]
    for row in re.findall(r"runs (?:ahead )?store\(.*", out):
        assert "bad" not in row


def test_a_graph_of_another_kind_runs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("builder", "--json", "out.json") == 0
    assert "you said do it" in capsys.readouterr().out
    assert json.loads(Path("out.json").read_text())["committed"] == []


def test_a_thread_that_nobody_keeps_is_said_to_be_a_label(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("builder", "--thread", "mine") == 0
    assert "keeps no threads" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("attribute", "text", "says"),
    [
        ("stubborn", "do it", "Raise max_corrections"),
        ("plain_factory", " ", "user message"),
        ("circle", "do it", "recursion_limit"),
        ("asks_a_person", "do it", "waits for a person.*may I"),
        ("breaks", "do it", "RuntimeError: the factory is closed"),
        ("absent", "do it", "has no 'absent'"),
    ],
)
def test_an_error_is_one_clear_line(
    attribute: str, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(attribute, "--json", "out.json", text=text) == 1
    err = capsys.readouterr().err
    assert re.search(says, err)
    assert "Traceback" not in err
    result = json.loads(Path("out.json").read_text())
    assert result["status"] in ("failed", "stopped")
    assert result["answer"] is None


def test_a_broken_off_run_says_what_it_has_committed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stubborn") == 1
    assert '1 call is committed:\n  look(key="a")' in capsys.readouterr().err


def test_debug_shows_where() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        run("breaks", "--debug")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "usage: agentlanes"),
        (["run"], "required: GRAPH, input"),
        (["run", "nobody", "do it"], "nobody"),
        (["run", f"{FORMS}:compiled", "do it", "--what"], "--what"),
        (["run", f"{FORMS}:compiled", "do it", "--json", "no/such/out.json"], "no folder"),
        (["fly"], "invalid choice: 'fly'"),
        (["bench"], "COMMAND"),
    ],
)
def test_bad_usage_is_2(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert says in said.out + said.err


def test_an_unknown_name_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["run", "assistent", "do it"]) == 2
    assert "it names: assistant, react" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["run"], ["up"], ["bench", "bfcl"]])
def test_every_command_has_its_own_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: agentlanes {' '.join(words)}")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"agentlanes {__version__}\n"


def interrupted(attribute: str, ready: Callable[[bytes], bool], *options: str) -> tuple[int, str]:
    """Send Ctrl-C once a line says that it is time; give the exit code and stderr."""
    pipe = subprocess.PIPE
    with start(attribute, *options, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert any(ready(line) for line in process.stdout), process.stderr.read().decode()
            process.send_signal(signal.SIGINT)
            return process.wait(60), process.stderr.read().decode()
        finally:
            process.kill()


def test_ctrl_c_says_what_was_committed_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code, err = interrupted(
        "unending", lambda line: b"proposes" in line and b'"x")' in line, "--json", "out.json"
    )
    assert code == 130
    assert "interrupted after" in err
    assert '2 calls are committed:\n  look(key="a")\n  store(key="x", value="1")' in err
    for trace in ("Traceback", "Warning", "destroyed", "never retrieved"):
        assert trace not in err
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["status"], result["answer"]) == ("stopped", None)
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH[:2]
    (logged,) = read_runs(tmp_path / ".agentlanes/runs")
    assert (logged.status, logged.steps) == ("stopped", result["steps"])
    assert logged.result is not None
    assert logged.result["committed"] == result["committed"]


def test_ctrl_c_in_the_middle_of_an_effect_says_so() -> None:
    code, err = interrupted("hanging_effect", lambda line: b"effects" in line)
    assert code == 130
    assert "nothing was committed" in err
    assert 'send(to="bob") had started: look whether it took effect' in err
    assert "Traceback" not in err


def on_a_terminal(attribute: str, *options: str, until: bytes | None = None) -> tuple[int, str]:
    """Run in a pseudo terminal; give the exit code and what stood there at the end.

    Args:
        attribute: The graph.
        options: Of the command.
        until: Press Ctrl-C once this is to be read.
    """
    code, said = _on_a_terminal(attribute, *options, until=until)
    return code, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)


def _on_a_terminal(attribute: str, *options: str, until: bytes | None) -> tuple[int, str]:
    ours, theirs = os.openpty()
    with start(attribute, *options, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
                if until is not None and until in said:
                    process.send_signal(signal.SIGINT)
                    until = None
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            process.kill() if process.poll() is None and not said else None
            os.close(ours)
        return process.wait(60), said.decode()


def test_on_a_terminal_both_lanes_are_a_live_table() -> None:
    code, shown = on_a_terminal("plain_factory")
    assert code == 0, shown
    last = shown.rpartition("act lane proposes")[2]
    for row in (
        r'0\.0 +look\(key="a"\) +ran ahead \d+\.\d\d s +approved \d+\.\d s: at 0 +committed',
        r'0\.1 +store\(key="x", value="1"\) +ran \d+\.\d\d s +approved .* committed',
        r'1\.0 +store\(key="bad", value="bad"\) +rejected .* discarded',
    ):
        assert re.search(row, last), f"{row!r} is not in\n{last}"
    assert "judging" in shown
    assert "done: 3 calls" in last


def test_ctrl_c_leaves_a_clean_terminal_and_a_closed_file(tmp_path: Path) -> None:
    code, said = _on_a_terminal("unending", until=b"waits for")
    assert code == 130, said
    shown, hidden = said.rfind("\x1b[?25h"), said.rfind("\x1b[?25l")
    assert shown > hidden >= 0, "the cursor is still hidden"
    assert re.search(r"interrupted after .* committed", said[shown:])
    assert "Traceback" not in said
    (logged,) = read_runs(tmp_path / ".agentlanes/runs")
    assert (logged.status, logged.torn) == ("stopped", 0)
