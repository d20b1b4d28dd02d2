"""A citation leads to the real page: places are exact and pictures are marked, on every page of the samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from index.boxes import SCALE, unpack
from index.load import load_file
from index.load.draft import Options
from tests.documents import SAMPLES

pytestmark = pytest.mark.samples


@pytest.fixture
def pdf() -> Path:
    path = SAMPLES / "pdf_multi_page.pdf"
    if not path.exists():
        pytest.skip(f"the sample files are not in {SAMPLES}; set QA_DATASETS")
    return path


@pytest.fixture
def sent(client: TestClient, pdf: Path) -> Any:
    reply = client.post("/documents?wait=true", files=[("files", (pdf.name, pdf.read_bytes()))]).json()
    report = reply["documents"][0]
    assert (report["pages"], report["media_type"]) == (5, "application/pdf")
    return client.get(f"/documents/{report['document_id']}").json()


def test_a_citation_names_the_page_and_its_picture_marks_the_very_words(
    client: TestClient, sent: dict[str, Any], pdf: Path
) -> None:
    question = {"question": "Who invented the first commercially successful typewriter?", "document_ids": [sent["id"]]}
    citation = client.post("/ask", json=question).json()["passages"][0]["citation"]
    text = client.get(f"{sent['url']}/text").text
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    pages = client.get(f"{sent['url']}/pages").json()
    assert [page["page"] for page in pages] == [1, 2, 3, 4, 5]
    assert pages[0]["start"] == 0
    assert pages[-1]["end"] == len(text)
    first = pages[citation["page_start"] - 1]
    assert first["start"] <= citation["start"] < first["end"]

    address = sent["page_url"].replace("{page}", str(citation["page_start"]))
    span = {"start": citation["start"], "end": citation["end"], "width": 1200}
    marked, bare = client.get(address, params=span), client.get(address, params={"width": 1200})
    assert marked.headers["content-type"] == "image/png"
    with_marks, without = (np.asarray(Image.open(io.BytesIO(one.content)).convert("RGB")) for one in (marked, bare))
    assert with_marks.shape == without.shape
    assert with_marks.shape[1] == 1200
    changed = np.argwhere((with_marks != without).any(axis=2))
    document = load_file(pdf)
    layout, start = document.layout[citation["page_start"] - 1], document.pages[citation["page_start"] - 1]
    boxes = unpack(layout.boxes)[citation["start"] - start : citation["end"] - start]
    boxes = boxes[boxes.any(axis=1)]
    scale = 1200 / (layout.width * SCALE)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert (left, top) == pytest.approx((boxes[:, 0].min() * scale, boxes[:, 1].min() * scale), abs=8)
    assert (right, bottom) == pytest.approx((boxes[:, 2].max() * scale, boxes[:, 3].max() * scale), abs=8)
    place = client.get(address.replace(".png", "/mark"), params=span).json()
    high, wide = with_marks.shape[:2]
    edges = (place["left"] * wide, place["top"] * high, place["right"] * wide, place["bottom"] * high)
    assert edges == pytest.approx((left, top, right, bottom), abs=8)
    again = client.get(address, params=span, headers={"if-none-match": marked.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("0.png", 422),
        ("6.png", 404),
        ("x.png", 422),
        ("1.png?width=99999", 422),
        ("1.png?start=-1", 422),
        ("-1.png", 422),
        ("99999999999999999999.png", 422),
    ],
)
def test_a_page_that_is_not_there_is_said(client: TestClient, sent: dict[str, Any], path: str, status: int) -> None:
    reply = client.get(f"{sent['url']}/pages/{path}")
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(("query", "status"), [("start=0&end=5", 404), ("start=9&end=2", 404), ("start=0", 422)])
def test_what_does_not_stand_on_a_page_has_no_place_there(
    client: TestClient, sent: dict[str, Any], query: str, status: int
) -> None:
    reply = client.get(f"{sent['url']}/pages/2/mark?{query}")
    assert (reply.status_code, bool(reply.json()["error"]["message"])) == (status, True)


def test_marks_beyond_the_page_mark_nothing_and_break_nothing(client: TestClient, sent: dict[str, Any]) -> None:
    address = sent["page_url"].replace("{page}", "2")
    bare = client.get(address).content
    for span in ({"start": 0, "end": 5}, {"start": 9, "end": 2}, {"start": 10**9, "end": 2 * 10**9}):
        assert client.get(address, params=span).content == bare


def samples() -> list[Path]:
    return sorted(SAMPLES.glob("pdf_*.pdf")) or [SAMPLES / "the sample files"]


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_the_text_under_the_boxes_is_the_quote(path: Path) -> None:
    """For every word: what pdfium finds inside the boxes of its characters."""
    if not path.exists():
        pytest.skip(f"the sample files are not in {SAMPLES}; set QA_DATASETS")
    password = "openpassword" if "needs_password" in path.name else None
    document = load_file(path, options=Options(password=password))
    assert len(document.layout) == len(document.pages)
    starts = [*document.pages, len(document.text)]
    with pypdfium2.PdfDocument(path, password) as pdf:
        for number, layout in enumerate(document.layout):
            boxes = unpack(layout.boxes)
            assert len(boxes) == starts[number + 1] - starts[number]
            if number + 1 in document.reading.pages_by_ocr:
                continue
            page = pdf[number]
            text = page.get_textpage()
            wrong = 0
            words = document.text[starts[number] : starts[number + 1]]
            for place, character in enumerate(words):
                left, top, right, bottom = (edge / SCALE for edge in boxes[place].tolist())
                if character.isspace() or not (right or bottom):
                    continue
                x0, y0, _, _ = page.get_cropbox()
                under = text.get_text_bounded(
                    x0 + left - 0.2, y0 + layout.height - bottom - 0.2, x0 + right + 0.2, y0 + layout.height - top + 0.2
                )
                wrong += character not in under.replace("ﬁ", "fi").replace("ﬂ", "fl").replace("ﬀ", "ff")
            text.close()
            page.close()
            assert wrong <= 0.002 * len(words), f"page {number + 1}: {wrong} characters are not under their boxes"
