"""Presentations: a heading for each slide, with all that stands on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pptx
import pytest
from docx.oxml import parse_xml
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from index.errors import DocumentError
from index.types import Document
from tests.documents import headings, lines, sample
from tests.office import read, saved


def deck(fill: Callable[[Any], None]) -> Document:
    presentation = pptx.Presentation()
    fill(presentation)
    return read("pptx", saved(presentation))


def test_each_slide_is_a_heading_with_its_bullets_tables_and_notes() -> None:
    def fill(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = "Plans for\vducks"
        frame = slide.placeholders[1].text_frame
        frame.text = "Feed them"
        frame.add_paragraph().text = "with leaves"
        frame.paragraphs[1].level = 1
        slide.notes_slide.notes_text_frame.text = "Say it slowly.\nTwice."
        second = presentation.slides.add_slide(presentation.slide_layouts[6])
        second._element.set("show", "0")
        table = second.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
        for number, words in enumerate(("Name", "Age", "Anna", "3")):
            table.cell(number // 2, number % 2).text = words
        second.shapes.add_textbox(Inches(5), Inches(1), Inches(2), Inches(1)).text_frame.text = "right"
        second.shapes.add_textbox(Inches(1), Inches(1.1), Inches(2), Inches(1)).text_frame.text = "left"
        group = second.shapes.add_group_shape()
        group.shapes.add_textbox(Inches(1), Inches(6), Inches(2), Inches(1)).text_frame.text = "grouped"

    made = deck(fill)
    assert made.title == "Plans for ducks"
    assert headings(made) == [(1, "Slide 1: Plans for ducks"), (2, "Notes"), (1, "Slide 2")]
    assert lines(made) == [
        "Slide 1: Plans for ducks", "- Feed them", "  - with leaves", "Notes", "Say it slowly.", "Twice.",
        "Slide 2", "left", "right", "Name | Age", "Name: Anna | Age: 3", "grouped",
    ]  # fmt: skip
    assert made.pages == ()
    assert made.reading.tables == 1


def test_a_chart_is_a_table_of_its_categories() -> None:
    def fill(presentation: Any) -> None:
        data: Any = cast(Any, CategoryChartData)()
        data.categories = ["East", "West"]
        data.add_series("2019", (19.2, 21.4))
        data.add_series("2020", (5, 6))
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = "Sales"
        place = (Inches(1), Inches(2), Inches(5), Inches(4))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "Ducks sold"

    made = deck(fill)
    assert lines(made)[1:3] == ["Ducks sold", "2019 | 2020"]
    assert lines(made)[3:] == ["East | 2019: 19.2 | 2020: 5", "West | 2019: 21.4 | 2020: 6"]


def test_slide_numbers_are_left_out_and_numbered_paragraphs_counted() -> None:
    number = (
        '<p:sp xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:nvSpPr><p:cNvPr id="9" name="n"/>'
        '<p:cNvSpPr/><p:nvPr><p:ph type="sldNum" idx="12"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p>'
        '<a:fld id="{B}" '
        'type="slidenum"><a:t>42</a:t></a:fld></a:p></p:txBody></p:sp>'
    )

    def fill(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        slide.shapes._spTree.append(parse_xml(number))
        frame = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(5), Inches(1)).text_frame
        for words in ("eggs", "nests"):
            line = frame.add_paragraph()
            line.text = words
            drawing = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
            bullet = f'<a:buAutoNum {drawing} type="alphaLcParenR"/>'
            line._p.get_or_add_pPr().append(parse_xml(bullet))

    assert lines(deck(fill)) == ["Slide 1", "a) eggs", "b) nests"]


def test_a_presentation_without_a_word_is_refused_and_an_empty_slide_is_reported() -> None:
    with pytest.raises(DocumentError, match="file holds no text"):
        deck(lambda presentation: presentation.slides.add_slide(presentation.slide_layouts[6]))

    def fill(presentation: Any) -> None:
        presentation.slides.add_slide(presentation.slide_layouts[0]).shapes.title.text = "Words"
        presentation.slides.add_slide(presentation.slide_layouts[6])

    assert deck(fill).reading.warnings == ("No text on slide 2.",)


def test_the_sample_of_powerpoint() -> None:
    made = read("pptx", sample("files/pptx_sample.pptx"))
    assert headings(made) == [
        (1, "Slide 1: Test Table Slide"),
        (1, "Slide 2: Second slide title"),
        (2, "Notes"),
        (1, "Slide 3"),
        (2, "Notes"),
    ]
    assert "R2 | Class1 C: True | Class2 A: False" in made.text
    assert "1. List item4\n2. List item5\n3. List item6\n" in made.text
    assert "Some notes on the second slide." in made.text
