"""Lanes: an endpoint, its limits, and the chat model that talks to it."""
