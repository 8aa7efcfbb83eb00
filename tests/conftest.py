"""Fixtures for all tests."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: children would be deaf to the Ctrl-C that tests send.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
settings.register_profile("long", max_examples=200, stateful_step_count=100, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    # LangChain's standard tests measure how long a model takes to make; here it is made once.
    if hasattr(config.option, "benchmark_disable"):
        config.option.benchmark_disable = True
