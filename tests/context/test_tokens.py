from __future__ import annotations

import hashlib
import inspect
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tiktoken.load
import tiktoken_ext.openai_public  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.config import Settings
from agentlanes.context import tokens
from agentlanes.context.tokens import TokenCount, count_tokens, estimate_tokens

ENGLISH = (
    "The latency rule: never wait for deep reasoning when a quick tool call suffices. Execution "
    "and verification are separate, and only what cannot be undone waits for a verdict. "
)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    tried: list[Any] = []

    def refuse(self: socket.socket | None, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: refuse(None, args))
    return tried


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    return tmp_path


def vocabulary_file(name: str) -> str:
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    return hashlib.sha1(url.encode()).hexdigest()


def test_without_a_vocabulary_it_estimates_and_says_so(
    no_network: list[Any], empty_cache: Path
) -> None:
    found = count_tokens(ENGLISH, "gpt-5")
    assert found == TokenCount(estimate_tokens(ENGLISH), "estimate")
    assert not no_network


def test_a_damaged_vocabulary_is_neither_used_nor_removed(
    no_network: list[Any], empty_cache: Path
) -> None:
    damaged = empty_cache / vocabulary_file("o200k_base")
    damaged.write_bytes(b"IQ== 0\n")
    assert count_tokens(ENGLISH, "gpt-5").method == "estimate"
    assert damaged.exists()
    assert not no_network


def test_a_download_is_tried_only_when_allowed(
    no_network: list[Any], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert count_tokens(ENGLISH, "gpt-5", allow_download=True).method == "estimate"
    assert no_network


def test_a_model_without_a_vocabulary_is_estimated(no_network: list[Any]) -> None:
    assert count_tokens("hello world", "qwen2.5-0.5b") == TokenCount(2, "estimate")
    assert not no_network


def test_checksums_are_those_of_the_installed_tiktoken() -> None:
    source = inspect.getsource(tiktoken_ext.openai_public)
    for name, checksum in tokens._SHA256.items():
        assert tokens._URL.format(name=name) in source
        assert checksum in source


def test_with_a_vocabulary_at_hand_it_counts(no_network: list[Any]) -> None:
    folder = Settings.from_env().tiktoken_cache_dir
    if folder is None or not (folder / vocabulary_file("o200k_base")).is_file():
        pytest.skip(f"no o200k_base vocabulary in {folder} (TIKTOKEN_CACHE_DIR)")
    exact = count_tokens(ENGLISH, "gpt-5")
    assert exact == TokenCount(35, "tiktoken")
    assert count_tokens("<|endoftext|>", "gpt-5").tokens > 1
    assert not no_network


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"DATA_GYM_CACHE_DIR": "given"},
        {"TIKTOKEN_CACHE_DIR": "ours", "DATA_GYM_CACHE_DIR": "theirs"},
        {"TIKTOKEN_CACHE_DIR": "", "DATA_GYM_CACHE_DIR": "theirs"},
    ],
)
def test_the_place_is_the_one_tiktoken_reads(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    environ = {name: value and str(tmp_path / value) for name, value in environ.items()}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    source = tmp_path / "vocabulary"
    source.write_bytes(b"IQ== 0\n")
    tiktoken.load.read_file_cached(str(source))  # keeps what it read in its own folder
    kept = [path.parent for path in tmp_path.rglob(hashlib.sha1(str(source).encode()).hexdigest())]
    expected = Settings.from_env(environ).tiktoken_cache_dir
    assert kept == ([] if expected is None else [expected])
    if not environ:
        assert Settings().tiktoken_cache_dir == expected


def test_offline_is_stronger_than_an_allowed_download(
    no_network: list[Any], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTLANES_OFFLINE", "1")
    assert count_tokens(ENGLISH, "gpt-5", allow_download=True).method == "estimate"
    assert not no_network


def test_estimates_are_near_what_o200k_base_counts() -> None:
    for text, exact in ((ENGLISH, 35), ('{"tool": "get_weather", "args": {"city": "Paris"}}', 16)):
        assert abs(estimate_tokens(text) - exact) <= 0.25 * exact


@given(st.text(), st.text())
def test_estimates_add_up(left: str, right: str) -> None:
    both = estimate_tokens(left) + estimate_tokens(right)
    assert 0 <= estimate_tokens(left + "\n" + right) <= both + 2
