"""Fixtures for all tests."""

from __future__ import annotations

from hypothesis import settings

from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

settings.register_profile("long", max_examples=200, stateful_step_count=100, deadline=None)
