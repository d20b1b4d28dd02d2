"""The tables and plots of a run as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.bench.speed import Row
from eval.hypertext import svg, table, webpage


@dataclass(frozen=True, slots=True)
class Section:
    """A table: what was measured, what was asked for, its rows, what is drawn over what, and when it was."""

    name: str
    aim: str
    rows: list[Row]
    over: str = ""
    drawn: tuple[str, ...] = ()
    measured: str = ""


def page(title: str, sections: Sequence[Section]) -> str:
    parts = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{escape(section.name)}</h2><p>{escape(section.aim)}</p>")
        parts.append(f"{table(*_cells(section.rows))}<p><small>{escape(section.measured)}</small></p>")
        if section.drawn and len(section.rows) > 1:
            parts.append(f"<figure>{_plot(section)}</figure>")
    return webpage(title, "".join(parts))


def text(section: Section) -> str:
    """A table for the terminal, and for Markdown."""
    columns, rows = _cells(section.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows))


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The columns that any row has, and the rows under them."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return columns, [[_cell(row.get(name, "")) for name in columns] for row in rows]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _short(value: float, _: int) -> str:
    return f"{value:g}" if value < 1e4 else f"{value / 1e3:,.0f}k"


def _plot(section: Section) -> str:
    """The drawn columns over sizes, one panel each, both axes logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(3.4 * min(3, len(section.drawn)), 2.6 * -(-len(section.drawn) // 3)), layout="constrained")
    across = min(3, len(section.drawn))
    for number, column in enumerate(section.drawn, 1):
        axes = figure.add_subplot(-(-len(section.drawn) // 3), across, number)
        rows = [row for row in section.rows if isinstance(row.get(column), int | float)]
        rows.sort(key=lambda row: row[section.over])
        axes.plot([row[section.over] for row in rows], [row[column] for row in rows], marker="o", color="#2a6f97")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(_short))
            axis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.set_title(column, fontsize=10)
        axes.set_xlabel(section.over, fontsize=9)
        axes.grid(alpha=0.3)
    return svg(figure)
