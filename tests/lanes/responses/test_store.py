from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from agentlanes.errors import ConfigError
from agentlanes.lanes.responses.store import claim

DIGEST = "ab" * 32


def test_a_record_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    first = claim(tmp_path / "new", DIGEST)
    assert first.response_id is None
    first.remember("resp_1", endpoint="http://127.0.0.1/v1")
    first.release()
    second = claim(tmp_path / "new", DIGEST)
    assert second.response_id == "resp_1"
    second.forget()
    second.release()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_record_that_is_followed_is_left_alone(tmp_path: Path) -> None:
    first = claim(tmp_path, DIGEST)
    first.remember("resp_1")
    second = claim(tmp_path, DIGEST)
    assert second.response_id is None
    second.remember("resp_2")
    first.release()
    second.release()
    taken = [claim(tmp_path, DIGEST), claim(tmp_path, DIGEST)]
    assert [record.response_id for record in taken] == ["resp_1", "resp_2"]
    for record in taken:
        record.forget()
        record.release()


def test_a_record_that_was_cut_short_tells_of_nothing(tmp_path: Path) -> None:
    record = claim(tmp_path, DIGEST)
    record.remember("resp_1")
    record.release()
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(file.read_bytes()[:9])
    again = claim(tmp_path, DIGEST)
    assert again.response_id is None
    again.release()


def test_many_threads_never_share_a_record(tmp_path: Path) -> None:
    held, together, lock = set[int](), list[int](), threading.Lock()

    def work() -> None:
        for _ in range(50):
            record = claim(tmp_path, DIGEST)
            inode = record._file.stat().st_ino
            with lock:
                if inode in held:
                    together.append(inode)
                held.add(inode)
            with lock:
                held.discard(inode)
            record.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="name a folder"):
        claim(file, DIGEST)
