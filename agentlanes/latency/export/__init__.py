"""Where step records can go: run files, OpenTelemetry, Prometheus through it, and pandas.

`observe` sends the runs of an agent to exporters while they go; `replay` sends run files.
"""

from __future__ import annotations

from agentlanes.latency.export.exporter import Exporter, RunEnd, RunSink, RunStart
from agentlanes.latency.export.observe import observe
from agentlanes.latency.export.replay import replay

__all__ = ["Exporter", "RunEnd", "RunSink", "RunStart", "observe", "replay"]
