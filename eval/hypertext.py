"""What the reports as web pages share: one file, no script, nothing fetched, light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0 }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap }
th:first-child, td:first-child, .words { text-align: left }
.words { white-space: normal; min-width: 16rem; overflow-wrap: anywhere }
figure { margin: 1rem 0; background: #fff; border-radius: .5rem; padding: .5rem }
figure svg { width: 100%; height: auto; display: block }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Aside(NamedTuple):
    """A cell that says something more in small print."""

    text: str
    small: str


def webpage(title: str, body: str, style: str = "") -> str:
    """A whole page; `body` is markup, `title` is not. What UTF-8 cannot hold becomes a question mark."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{escape(title)}</title>'
    )
    page = (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}{style}</style></head><body>{body}</body></html>\n'
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Aside]], strong: str | None = None, words: str | None = None
) -> str:
    """Text as a table; rows that begin with `strong` stand out; the column `words` is prose."""
    kinds = [" class=words" if name == words else "" for name in columns]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    body = "".join(
        f"<tr{' class=strong' if row[0] == strong else ''}>{''.join(map(_cell, row, kinds))}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str | Aside, kind: str) -> str:
    if isinstance(cell, Aside):
        return f"<td{kind}>{escape(cell.text)} <small>{escape(cell.small)}</small></td>"
    return f"<td{kind}>{escape(cell)}</td>"


def svg(figure: Figure) -> str:
    """A figure as an element of a page: its text as text, ids only where the drawing itself refers to them."""
    import matplotlib as mpl

    drawn = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "qa"}):
        figure.savefig(drawn, format="svg", metadata=metadata)
    text = drawn.getvalue()[drawn.getvalue().index("<svg") :]
    used = set(re.findall(r'(?:"|\()#([^")]+)', text))
    return re.sub(r' id="([^"]+)"', lambda match: match.group() if match[1] in used else "", text)
