"""Replies that the endpoint makes in the background: which request comes next, what is kept.

A response of this kind goes on without a connection. Following it means to read its events, or to
ask for it now and then where the lane does not stream; a connection that is lost is made again
from the last event on, as long as the lane's timers allow. The response is cancelled at the
endpoint when nobody waits for it any more: a discarded window, a timer that ran out, a reply that
cannot be used. Only when the process dies, or the endpoint cannot be reached, it goes on, and a
lane with a `background_store` takes it up when the same request is made again. `following` has
the I/O.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentlanes.config import Secret
from agentlanes.lanes.responses.events import ResponseBuilder
from agentlanes.lanes.responses.store import Claim, claim
from agentlanes.lanes.retry import is_transient
from agentlanes.lanes.urls import safe_url

__all__ = ["Background", "Step"]

_POLL_S = (0.2, 5.0)
"""Shortest and longest time between two questions for the same response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request that has to be made.

    Attributes:
        path: Where it goes.
        body: What is posted; `None` for a GET.
        query: Of a GET.
        wait_s: How long to wait before.
    """

    path: str
    body: dict[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    wait_s: float = 0.0


class Background:
    """What is known of the response of one call, over all its attempts. No I/O but the record's.

    Args:
        path: Where responses are made.
        body: The request.
        base_url: The endpoint.
        key: Its key; another account's responses are not ours.
        folder: Where records are kept, if they are.

    Attributes:
        digest: Of the request and whose it is: the name of its record.
        response_id: The response, once there is one.
    """

    def __init__(
        self,
        path: str,
        body: dict[str, Any],
        base_url: str,
        key: Secret | None,
        folder: Path | None,
    ) -> None:
        self._path, self._body, self._folder = path, body, folder
        self._url = safe_url(base_url)
        asked = json.dumps([base_url, path, body], sort_keys=True, ensure_ascii=False)
        owner = key.reveal() if key is not None else ""
        self.digest = hashlib.sha256(f"{owner}\0{asked}".encode()).hexdigest()
        self._claim: Claim | None = None
        self._asked = 0
        self._adopted = False
        self.response_id: str | None = None

    def take(self) -> None:
        """Take the request's record, and the response that it tells of."""
        self._asked = 0
        if self._folder is not None and self._claim is None:
            self._claim = claim(self._folder, self.digest)
            if self.response_id is None and self._claim.response_id is not None:
                self.response_id, self._adopted = self._claim.response_id, True

    def next_step(self, builder: ResponseBuilder, *, streams: bool) -> Step:
        """Say which request to make now."""
        if self.response_id is None:
            return Step(path=self._path, body=self._body)
        wait_s = min(_POLL_S[0] * 1.5**self._asked, _POLL_S[1]) if self._asked else 0.0
        self._asked += 1
        query: dict[str, Any] = (
            {"include": self._body["include"]} if "include" in self._body else {}
        )
        if streams:
            wait_s *= random.uniform(0.5, 1.0)
            query["stream"] = "true"
            if builder.sequence is not None:
                query["starting_after"] = builder.sequence
        return Step(path=f"{self._path}/{self.response_id}", query=query, wait_s=wait_s)

    def is_new(self, builder: ResponseBuilder) -> bool:
        """Tell whether the builder has learnt of a response that is not written down yet."""
        return builder.response_id is not None and builder.response_id != self.response_id

    def heard(self, builder: ResponseBuilder) -> None:
        """Write down which response it is."""
        self.response_id, self._asked = builder.response_id, 0
        if self._claim is not None and self.response_id is not None:
            self._claim.remember(self.response_id, endpoint=self._url, started=round(time.time()))

    def gone(self, error: Exception) -> bool:
        """Tell whether the response that was taken over is no longer there, and forget it if so."""
        if not self._adopted or getattr(error, "status_code", None) != 404:
            return False
        self._adopted = False
        self.forget()
        return True

    def goes_on(self, error: BaseException) -> bool:
        """Tell whether the response is worth following after this: the line broke, not it."""
        import openai

        if self.response_id is None:
            return False
        if isinstance(error, openai.APIStatusError):
            return is_transient(error.status_code)
        return isinstance(error, openai.APIConnectionError)

    def forget(self) -> None:
        """Drop the response: it has ended, or nobody wants it any more."""
        self.response_id = None
        if self._claim is not None:
            self._claim.forget()

    def release(self) -> None:
        """Let go of the record."""
        if self._claim is not None:
            held, self._claim = self._claim, None
            held.release()

    @property
    def cancel_path(self) -> str | None:
        """Where to cancel the response, if there is one."""
        return f"{self._path}/{self.response_id}/cancel" if self.response_id else None
