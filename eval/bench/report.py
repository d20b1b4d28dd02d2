"""The tables and plots of a run as one page."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from eval.bench.speed import Row

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0 }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
figure { margin: 1rem 0; background: #fff; border-radius: .5rem; padding: .5rem }
figure svg { width: 100%; height: auto }
"""


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
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.name)}</h2><p>{html.escape(section.aim)}</p>")
        parts.append(f"{_table(section.rows)}<p><small>{html.escape(section.measured)}</small></p>")
        if section.drawn and len(section.rows) > 1:
            parts.append(f"<figure>{_plot(section)}</figure>")
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    return f'<!doctype html><html lang="en">{head}<style>{_STYLE}</style>{"".join(parts)}</html>\n'


def text(section: Section) -> str:
    """A table for the terminal, and for Markdown."""
    columns = list(dict.fromkeys(name for row in section.rows for name in row))
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name, "")) for name in columns] for row in section.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _table(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(row.get(name, str())))}</td>' for name in columns)}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _short(value: float, _: int) -> str:
    return f"{value:g}" if value < 1e4 else f"{value / 1e3:,.0f}k"


def _plot(section: Section) -> str:
    """The drawn columns over sizes, one panel each, both axes logarithmic."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    mpl.rcParams["svg.fonttype"] = "none"
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
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
