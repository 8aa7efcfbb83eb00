"""Fetch a model file from the Hugging Face hub, resumable, and give up early without a connection.

`huggingface_hub.hf_hub_download` starts from zero after an interruption, so its two lower parts
are used: the metadata request, and the ranged download.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from agentlanes.config import Secret
from agentlanes.local.catalog import HubFile
from agentlanes.local.transfer import Report

__all__ = ["HubFailed", "fetch_from_hub"]

_T = TypeVar("_T")


class HubFailed(Exception):
    """The hub did not give the file; the message says why. What arrived is kept."""


def fetch_from_hub(
    file: HubFile,
    partial: Path,
    report: Report,
    *,
    size_bytes: int,
    sha256: str,
    token: Secret | None = None,
    endpoint: str | None = None,
    give_up_s: float = 5.0,
) -> None:
    """Download into `partial`, going on from the bytes that it already has.

    Args:
        file: Which file.
        partial: Where the bytes go; kept when the transfer stops early.
        report: Told the bytes that are here; raising from it stops the transfer.
        size_bytes: The size it must have.
        sha256: The sum it must have. The hub states a sum too, and another one is refused before
            anything is downloaded; the caller hashes what arrived.
        token: Sent to the hub only, never to where the hub redirects.
        endpoint: Another hub than the public one.
        give_up_s: How long the first answer may take, name resolution included.

    Raises:
        HubFailed: No answer in time, a refusal, another file, or a transfer that broke.
    """
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils._headers import build_hf_headers
    except ImportError:
        raise HubFailed("huggingface_hub is not installed (extra agentlanes[local])") from None

    url = hf_hub_url(file.repo, file.file, revision=file.revision, endpoint=endpoint)
    secret: str | bool = token.reveal() if token is not None else False
    try:
        found = _bounded(
            lambda: get_hf_file_metadata(url, token=secret, timeout=give_up_s, endpoint=endpoint),
            give_up_s,
        )
    except Exception as error:
        raise HubFailed(f"no answer from the hub: {_first_line(error)}") from error
    if found.size not in (None, size_bytes) or (_is_sha256(found.etag) and found.etag != sha256):
        raise HubFailed(
            f"{file.repo}/{file.file} is another file than the pinned one "
            f"({found.size} bytes, sum {found.etag})"
        )
    same_host = urlsplit(found.location).netloc == urlsplit(url).netloc
    headers = build_hf_headers(token=secret if same_host else False)

    class Bar(_Bar):
        tell = staticmethod(report)

    try:
        # closed before anything else happens to it, so that what arrived is on disk
        with partial.open("ab") as sink:
            here = sink.tell()
            if here < size_bytes:
                http_get(
                    found.location,
                    sink,
                    resume_size=here,
                    headers=dict(headers),
                    expected_size=size_bytes,
                    tqdm_class=Bar,  # has the few methods that are called
                )
    except OSError as error:  # covers the transport's errors and short files
        raise HubFailed(f"the transfer broke: {_first_line(error)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"httpx2", "httpcore2", "huggingface_hub"}:
            raise HubFailed(f"the transfer broke: {_first_line(error)}") from error
        raise


class _Bar:
    """The part of a progress bar that the download calls, passing the count on."""

    tell: Report

    def __init__(self, *, initial: int = 0, **_: Any) -> None:
        self._done = initial

    def update(self, count: int) -> None:
        self._done += count
        self.tell(self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def _bounded(call: Callable[[], _T], limit_s: float) -> _T:
    """Call in a daemon thread and stop waiting after `limit_s`.

    A client's own timeout covers neither name resolution nor a proxy that drips.
    """
    answers: queue.Queue[tuple[_T | None, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, name="hub-probe", daemon=True).start()
    try:
        answer, error = answers.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"nothing within {limit_s:g} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # an answer is there whenever no error is


def _is_sha256(etag: str | None) -> bool:
    return etag is not None and len(etag) == 64 and set(etag) <= set("0123456789abcdef")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
