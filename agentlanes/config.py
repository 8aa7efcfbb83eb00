"""Settings: frozen, explicit, and the only place that reads the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Secret", "Settings"]


class Secret:
    """A string that never shows itself in reprs, logs or pickles by accident.

    Example:
        >>> Secret("sk-123")
        Secret('***')
        >>> Secret("sk-123").reveal()
        'sk-123'
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a Secret is not serialised; pass the key again where it is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says.

    Attributes:
        openai_api_key: `OPENAI_API_KEY`.
        openai_base_url: `OPENAI_BASE_URL`.
        cache_dir: `AGENTLANES_CACHE`, where weights, vocabularies and bench data are kept;
            the user cache directory of the platform by default.
        runs_dir: `AGENTLANES_RUNS`, where `agentlanes run` writes its records.
        offline: `AGENTLANES_OFFLINE=1`: never open a connection for weights or data.
        langsmith_tracing: `LANGSMITH_TRACING` is on, or one of its older names.
        ledger: `AGENTLANES_LEDGER`, a path or URL, which may hold a password; by default
            `.agentlanes/ledger.db`.
        hf_token: `HF_TOKEN`, for gated models on the Hugging Face hub.
        act_model: `AGENTLANES_ACT_MODEL`, the act lane's model name.
        act_url: `AGENTLANES_ACT_URL`, the act lane's endpoint.
        act_key: `AGENTLANES_ACT_KEY`, for an `act_url` that asks for one.
        reason_model: `AGENTLANES_REASON_MODEL`.
        reason_url: `AGENTLANES_REASON_URL`.
        reason_key: `AGENTLANES_REASON_KEY`.
        labels: Verdicts are kept as labels for the router to learn from, unless
            `AGENTLANES_LABELS=0`.
        tiktoken_cache_dir: Where tiktoken keeps its vocabularies: `TIKTOKEN_CACHE_DIR`, else
            `DATA_GYM_CACHE_DIR`, else its folder among the temporary files. `None` when the
            variable is set but empty, which tells tiktoken to keep none.
    """

    openai_api_key: Secret | None = None
    openai_base_url: str | None = field(default=None, repr=False)  # it may hold a password
    cache_dir: Path = field(default_factory=lambda: _default_cache())
    runs_dir: Path = Path(".agentlanes/runs")
    offline: bool = False
    langsmith_tracing: bool = False
    ledger: Secret = field(default_factory=lambda: Secret(_LEDGER))
    hf_token: Secret | None = None
    act_model: str | None = None
    act_url: str | None = field(default=None, repr=False)
    act_key: Secret | None = None
    reason_model: str | None = None
    reason_url: str | None = field(default=None, repr=False)
    reason_key: Secret | None = None
    labels: bool = True
    tiktoken_cache_dir: Path | None = field(default_factory=lambda: _tiktoken_cache({}))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, or the mapping given in its place.

        Example:
            >>> Settings.from_env({"AGENTLANES_OFFLINE": "1"}).offline
            True
        """
        env = os.environ if environ is None else environ
        cache = env.get("AGENTLANES_CACHE")
        return cls(
            openai_api_key=_secret(env, "OPENAI_API_KEY"),
            openai_base_url=env.get("OPENAI_BASE_URL") or None,
            cache_dir=Path(cache).expanduser() if cache else _default_cache(),
            runs_dir=Path(env.get("AGENTLANES_RUNS") or ".agentlanes/runs"),
            offline=_truthy(env.get("AGENTLANES_OFFLINE")),
            langsmith_tracing=any(_truthy(env.get(name)) for name in _TRACING),
            ledger=_secret(env, "AGENTLANES_LEDGER") or Secret(_LEDGER),
            hf_token=_secret(env, "HF_TOKEN"),
            act_model=env.get("AGENTLANES_ACT_MODEL") or None,
            act_url=env.get("AGENTLANES_ACT_URL") or None,
            act_key=_secret(env, "AGENTLANES_ACT_KEY"),
            reason_model=env.get("AGENTLANES_REASON_MODEL") or None,
            reason_url=env.get("AGENTLANES_REASON_URL") or None,
            reason_key=_secret(env, "AGENTLANES_REASON_KEY"),
            labels=_truthy(env.get("AGENTLANES_LABELS") or "1"),
            tiktoken_cache_dir=_tiktoken_cache(env),
        )


_LEDGER = ".agentlanes/ledger.db"
_TRACING = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING_V2",
    "LANGCHAIN_TRACING",
)


def _default_cache() -> Path:
    from platformdirs import user_cache_path  # imported late: `import agentlanes` stays light

    return user_cache_path("agentlanes", appauthor=False)


def _tiktoken_cache(env: Mapping[str, str]) -> Path | None:
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if name in env:  # as tiktoken looks it up: the first that is set counts, also when empty
            return Path(env[name]) if env[name] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _secret(env: Mapping[str, str], name: str) -> Secret | None:
    value = env.get(name)
    return Secret(value) if value else None


def _truthy(value: str | None) -> bool:
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}
