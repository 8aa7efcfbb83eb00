"""Rows as arrays: what fitting works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentlanes.router.features import TextReader
from agentlanes.router.training.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Words = NDArray[np.str_]
    Flags = NDArray[np.bool_]

__all__ = ["Table", "tabulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as arrays of one length.

    Attributes:
        names: Names of the text features, the order of `x`'s columns.
        x: Text features, rows by names.
        target: As `Row.target`; NaN where it is unknown.
        weight: As `Row.weight`.
        source: As `Row.source`.
        kind: As `Row.kind`.
    """

    names: tuple[str, ...]
    x: Floats
    target: Floats
    weight: Floats
    source: Words
    kind: Words

    def where(self, chosen: Flags) -> Table:
        """Keep the chosen rows."""
        return Table(
            names=self.names,
            x=self.x[chosen],
            target=self.target[chosen],
            weight=self.weight[chosen],
            source=self.source[chosen],
            kind=self.kind[chosen],
        )

    def balanced(self) -> Floats:
        """Weigh rows so that every kind counts the same, and every source within its kind."""
        import numpy as np

        weight = self.weight.copy()
        for kind in sorted(set(self.kind.tolist())):
            inside = self.kind == kind
            sources = sorted(set(self.source[inside].tolist()))
            for source in sources:
                rows = inside & (self.source == source)
                weight[rows] *= 1.0 / (np.sum(self.weight[rows]) * len(sources))
        return weight


def tabulate(rows: Sequence[Row]) -> Table:
    """Read the features of every row's text."""
    import numpy as np

    reader = TextReader()
    read = [reader.read(row.text) for row in rows]
    names = tuple(sorted(reader.read("")))
    unknown = float("nan")
    return Table(
        names=names,
        x=np.array([[found[name] for name in names] for found in read]).reshape(-1, len(names)),
        target=np.array([unknown if r.target is None else r.target for r in rows], dtype=float),
        weight=np.array([row.weight for row in rows], dtype=float),
        source=np.array([row.source for row in rows], dtype=np.str_),
        kind=np.array([row.kind for row in rows], dtype=np.str_),
    )
