"""A table that leaves columns out, the least important first, rather than cutting all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "FittedTable"]

_GAP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and what may be done to it where there is no room.

    Attributes:
        name: Its heading.
        cells: Its cells, from the top. A string is plain text: brackets are no markup.
        short_name: A shorter heading.
        short_width: Cells may be cut to this many columns, with an ellipsis.
        drop: It may be left out, lower numbers first; `None` keeps it always.
        left: Flush left, as words are; numbers are flush right.
    """

    name: str
    cells: Sequence[Text | str]
    short_name: str | None = None
    short_width: int | None = None
    drop: int | None = None
    left: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that it takes."""
        cells = (cell_len(str(cell)) for cell in self.cells)
        return max(cell_len(self.name), *cells, 0)

    def shortened(self) -> Column:
        """Give the column with its short heading and its cells cut."""
        cells = [_cut(cell, self.short_width) for cell in self.cells]
        return replace(self, name=self.short_name or self.name, cells=cells)


class FittedTable:
    """Columns that are fitted to whatever width they are printed at.

    Args:
        columns: From the left.
        gap: Spaces between two columns; 1 where there is no room for more.

    Example:
        >>> from rich.console import Console
        >>> columns = [Column(name="kept", cells=["1"]), Column(name="less", cells=["2"], drop=0)]
        >>> Console(width=6).print(FittedTable(columns))
        kept
           1
    """

    def __init__(self, columns: Sequence[Column], *, gap: int = _GAP) -> None:
        self.columns = tuple(columns)
        self.gap = gap

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns, gap = self._fitted(options.max_width)
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
        for column in columns:
            table.add_column(
                Text(column.name), justify="left" if column.left else "right", no_wrap=True
            )
        for row in zip(*(column.cells for column in columns), strict=True):
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        yield table

    def _fitted(self, width: int) -> tuple[list[Column], int]:
        columns = list(self.columns)
        if _width(columns, self.gap) <= width:
            return columns, self.gap
        columns = [column.shortened() for column in columns]
        going = sorted((c for c in columns if c.drop is not None), key=lambda c: c.drop or 0)
        for column in going:
            if _width(columns, _GAP) <= width:
                break
            columns.remove(column)
        return columns, _GAP


def _width(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _cut(cell: Text | str, width: int | None) -> Text | str:
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return text
