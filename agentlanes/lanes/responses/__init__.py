"""The Responses API behind the same lane: its requests, its events, replies in the background."""
