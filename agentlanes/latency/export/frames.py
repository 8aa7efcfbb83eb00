"""Runs as pandas tables: a row a step, a row a span. Needs `pip install 'agentlanes[pandas]'`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from agentlanes.errors import MissingExtra
from agentlanes.latency.export.replay import wall_ms_of
from agentlanes.latency.jsonl import LoggedRun
from agentlanes.latency.record import Prefix, StepRecord, Tokens
from agentlanes.latency.spans import Span

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Frames", "to_frames"]

_RUN = {"run_id": "string", "graph": "string", "status": "string", "run_wall_ms": "Float64"}
_NUMBERED = {"step": "Int64", "window": "Int64"}
_KINDS = {"attempts": "Int64", "version": "Int64", "target_met": "boolean"}


class Frames(NamedTuple):
    """The two tables.

    Attributes:
        steps: A row a step record: its keys as columns, with `tokens_*` and `prefix_*` for what is
            nested, after the run's `run_id`, `graph`, `status` and `run_wall_ms`.
        spans: A row a span: its keys, `duration_ms`, and what it is of: `run_id`, `step`, `window`,
            `node`, `lane`. The column `after` holds lists of span ids.
    """

    steps: pd.DataFrame
    spans: pd.DataFrame


def to_frames(runs: Iterable[LoggedRun] | Sequence[StepRecord]) -> Frames:
    """Make tables of runs.

    Unknown stays unknown: the columns have pandas' nullable types, so a missing time is `<NA>`
    and no sum takes it for 0. Both tables have all their columns when there are no runs.

    Args:
        runs: What `read_run` and `read_runs` give, or one run's records (`result["steps"]`).

    Raises:
        MissingExtra: pandas is not installed.

    Example:
        >>> from agentlanes.latency.record import blank_record
        >>> record = blank_record(step=0, window=0, node="act", lane="act", outcome="committed")
        >>> frames = to_frames([{**record, "duration_ms": 12.5}])
        >>> frames.steps[["node", "duration_ms", "tool_ms"]]
          node  duration_ms  tool_ms
        0  act         12.5     <NA>
    """
    try:
        import pandas as _  # noqa: F401 - imported late, and only here may it be missing
    except ImportError as missing:
        raise MissingExtra("agentlanes.latency.export.frames", "pandas") from missing
    steps: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for about, records in _runs(runs):
        for record in records:
            steps.append({**about, **_flat(record)})
            of = {key: record.get(key) for key in ("step", "window", "node", "lane")}
            for span in record.get("spans") or ():
                took = span["end_ms"] - span["start_ms"]
                spans.append({"run_id": about["run_id"], **of, **span, "duration_ms": took})
    return Frames(_table(steps, _step_types()), _table(spans, _span_types()))


def _runs(
    runs: Iterable[LoggedRun] | Sequence[StepRecord],
) -> Iterable[tuple[dict[str, Any], Sequence[StepRecord]]]:
    alone: list[StepRecord] = []
    for run in runs:
        if isinstance(run, LoggedRun):
            about = {"run_id": run.run_id, "graph": run.graph, "status": run.status}
            yield {**about, "run_wall_ms": wall_ms_of(run)}, run.steps
        else:
            alone.append(run)
    if alone:
        yield dict.fromkeys(_RUN), alone


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in record.items() if key not in ("spans", *_NESTED)}
    for key in _NESTED:
        flat.update({f"{key}_{part}": value for part, value in (record.get(key) or {}).items()})
    return flat


_NESTED: Mapping[str, type] = {"tokens": Tokens, "prefix": Prefix}


def _step_types() -> dict[str, str]:
    types = dict(_RUN)
    for key, kind in StepRecord.__annotations__.items():
        if key in _NESTED:
            parts = _NESTED[key].__annotations__
            types.update({f"{key}_{part}": _type(part, parts[part]) for part in parts})
        elif key != "spans":
            types[key] = _type(key, kind)
    return types


def _span_types() -> dict[str, str]:
    of = {"run_id": "string", **_NUMBERED, "node": "string", "lane": "string"}
    keys = {key: _type(key, kind) for key, kind in Span.__annotations__.items()}
    return {**of, **keys, "after": "object", "duration_ms": "Float64"}


def _type(key: str, kind: Any) -> str:
    said = str(getattr(kind, "__forward_arg__", kind))
    known = {**_NUMBERED, **_KINDS}
    if key in known:
        return known[key]
    return "Float64" if "float" in said else "Int64" if "int" in said else "string"


def _table(rows: list[dict[str, Any]], types: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    # Built column by column: pandas would make floats with NaN of what is sometimes unknown.
    columns = {
        key: pd.Series([row.get(key) for row in rows], dtype=cast("Any", kind))
        for key, kind in types.items()
    }
    return pd.DataFrame(columns)
