"""Charts and diagrams (DrawingML) as the words and numbers that they show."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from index.load import grid
from index.load.draft import Draft
from index.load.package import RELATIONSHIP, Package, local

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MOST_POINTS = 5000


def put(draft: Draft, package: Package, path: str, graphic: etree._Element) -> None:
    """Add the charts and diagrams of a graphic, which the part at `path` holds, to the draft."""
    for one in graphic.iter(f"{_CHART}chart", f"{_DIAGRAM}relIds"):
        key = one.get(f"{RELATIONSHIP}{'id' if local(one) == 'chart' else 'dm'}", "")
        relation = package.relations(path).get(key)
        root = package.xml(relation.target) if relation else None
        if root is not None and local(one) == "chart":
            _chart(draft, package.name, root)
        elif root is not None:
            for words in _points(root):
                draft.item(words)


def words(body: etree._Element) -> Iterator[str]:
    """The paragraphs of a text body."""
    for paragraph in body.iter(f"{A}p"):
        yield paragraph_words(paragraph)


def paragraph_words(paragraph: etree._Element) -> str:
    return "".join("\n" if one.tag == f"{A}br" else one.text or "" for one in paragraph.iter(f"{A}t", f"{A}br"))


def _points(root: etree._Element) -> Iterator[str]:
    for point in root.iter(f"{_DIAGRAM}pt"):
        body = point.find(f"{_DIAGRAM}t")
        if point.get("type", "node") in ("node", "asst") and body is not None:
            yield "\n".join(words(body))


def _chart(draft: Draft, name: str, root: etree._Element) -> None:
    """The title, and a table of a row for each category."""
    title = root.find(f"{_CHART}chart/{_CHART}title")
    if title is not None:
        draft.paragraph("\n".join(words(title)))
    names: list[str] = []
    columns: list[dict[int, str]] = []
    categories: dict[int, str] = {}
    for series in root.iter(f"{_CHART}ser"):
        names.append(" ".join(_values(series.find(f"{_CHART}tx")).values()))
        for kind in ("cat", "xVal"):
            categories = categories or _values(series.find(f"{_CHART}{kind}"))
        found = series.find(f"{_CHART}val")
        columns.append(_values(found if found is not None else series.find(f"{_CHART}yVal")))
    if not any(columns):
        return
    rows = [[grid.Cell(column, words) for column, words in enumerate(["", *names]) if words]]
    for index in sorted(set(categories).union(*columns))[:_MOST_POINTS]:
        cells = [categories.get(index, ""), *(column.get(index, "") for column in columns)]
        rows.append([grid.Cell(column, words) for column, words in enumerate(cells) if words])
    grid.put(draft, rows, name, header=1 if any(names) else 0)


def _values(element: etree._Element | None) -> dict[int, str]:
    """The cached points of a series by their index, numbers as they were stored; levels of categories joined."""
    found: dict[int, str] = {}
    for point in element.iter(f"{_CHART}pt") if element is not None else ():
        index, value = point.get("idx", ""), point.findtext(f"{_CHART}v", "")
        if index.isdecimal() and len(index) < 7 and value:
            before = found.get(int(index))
            found[int(index)] = f"{value} {before}" if before else value
    return found
