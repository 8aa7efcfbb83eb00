"""Examining a lane: what its endpoint can do, found out by asking it, in bounded time."""

from agentlanes.lanes.doctor.examine import Examination, examine
from agentlanes.lanes.doctor.finding import Finding, Level
from agentlanes.lanes.doctor.suggest import suggestion

__all__ = ["Examination", "Finding", "Level", "examine", "suggestion"]
