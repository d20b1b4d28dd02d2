"""Tables in plain text, and JSON: read record by record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from index.errors import DocumentError
from index.load import csv_table, json_records
from index.types import Document
from tests.documents import headings, lines, sample


def table(text: str) -> Document:
    return csv_table.read(text, "table", "table.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name,Age\nAnna,3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("Name;Age\r\nAnna;3,5\r\nBob;4,5\r\n", ["Name | Age", "Name: Anna | Age: 3,5", "Name: Bob | Age: 4,5"]),
        ("Name\tAge\nAnna\t3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("Name|Age\nAnna|3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("sep=;\r\nName;Age\r\nAnna;3\r\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ("\ufeffName,Age\nAnna,3\n", ["Name | Age", "Name: Anna | Age: 3"]),
        ('Name,Said\nAnna,"Hello, ""you"",\nbye"\n', ["Name | Said", 'Name: Anna | Said: Hello, "you", bye']),
        ("1,2\n3,4\n", ["1 | 2", "3 | 4"]),
        ("1,5;2,5\n3,5;4,5\n", ["1,5 | 2,5", "3,5 | 4,5"]),
        ("Ducks\n\nName,Age\nAnna,3\nBob,4\n", ["Ducks", "Name | Age", "Name: Anna | Age: 3", "Name: Bob | Age: 4"]),
        ("Name,Note\nAnna,\nBob,x\n", ["Name | Note", "Name: Anna", "Name: Bob | Note: x"]),
        ("just one\ncolumn of\nwords\n", ["just one", "column of", "words"]),
    ],
)
def test_a_table_in_plain_text_is_read_row_by_row(text: str, expected: list[str]) -> None:
    assert lines(table(text)) == expected


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_rest() -> None:
    made = table('size,what\n1,"a disk, old"\n2,"5 inch\n3,tape\n4,drum\n')
    assert lines(made)[1:] == [
        "size: 1 | what: a disk, old",
        'size: 2 | what: "5 inch',
        "size: 3 | what: tape",
        "size: 4 | what: drum",
    ]
    assert made.reading.warnings == ("The quotation mark in line 3 is never closed, and was read as it stands.",)


def test_ragged_rows_are_read_with_a_warning() -> None:
    made = table("a,b\nu,1\nv,2,extra\nw,3\n")
    assert lines(made)[2] == "a: v | b: 2 | extra"
    assert made.reading.warnings == ("1 rows have more or fewer fields than the others.",)


def test_a_very_large_field_is_read() -> None:
    assert len(table(f'a,b\n1,"{"x" * 300_000}"\n').text) > 300_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name,Age\nAnna,3\nBob,4\n", True),
        ("Name;City;Land\nAnna;Oslo;Norway\nBob;Rome;Italy\n", True),
        ("1\t2\n3\t4\n5\t6\n", True),
        ("sep=;\nx;y\n", True),
        ("Dear all, this is a letter\nWith one comma, on each line\nOf it, as it happens\n", False),
        ("One, two\nThree, four\nFive, six\n", False),
        ("| Name | Age |\n|---|---|\n| Anna | 3 |\n", False),
        ("x = f(a, b);\ny = g(c, d);\nz = h(e, f);\n", False),
        ("Just text\nof a few\nlines\n", False),
        ("Name,Age\nAnna,3\n", False),
        ("", False),
        ("A,B\n1,2\n3,4,5\n", False),
    ],
)
def test_a_table_is_known_by_its_content(text: str, expected: bool) -> None:
    assert csv_table.looks_like(text) is expected


def test_the_sample_of_csv() -> None:
    made = table(sample("files/csv_semicolon.csv").decode())
    assert len(lines(made)) == 6
    assert "Last Name: Olsen | Company: Dominguez;Mcmillan and Donovan | City: Bensonview" in made.text
    assert csv_table.looks_like(sample("files/csv_semicolon.csv").decode())


def records(value: object) -> Document:
    return json_records.read(value if isinstance(value, str) else json.dumps(value), "data", "data.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1.10, "b": true, "c": null, "d": "x"}', ["a: 1.10", "b: true", "d: x"]),
        ('{"a": NaN, "b": -Infinity, "c": 1e400}', ["a: NaN", "b: -Infinity", "c: 1e400"]),
        (f'{{"a": {"9" * 5000}}}', ["a", "9" * 5000]),
        ('{"a": 1, "a": 2}', ["a: 1", "a: 2"]),
        ('{"tags": ["x", "y", 3]}', ["tags: x, y, 3"]),
        ('[{"name": "Anna", "age": 3}, {"name": "Bob"}]', ["name: Anna | age: 3", "name: Bob"]),
        ('{"a": {"b": {"c": 1}}}', ["a.b", "c: 1"]),
        ('{"notes": "one\\ntwo", "text": "three\\nfour"}', ["three", "four", "notes", "one", "two"]),
        ('{"a": "\\ud800x"}', ["a: \ufffdx"]),
        ('{"a": "\\ud83d\\ude00"}', ["a: 😀"]),
        ('"only words"', ["only words"]),
        ("[1, 2, 3]", ["1, 2, 3"]),
        ('[[1, 2], [3, {"a": 4}]]', ["1, 2", "3", "a: 4"]),
    ],
)
def test_json_is_read_as_lines(text: str, expected: list[str]) -> None:
    assert lines(records(text)) == expected


def test_records_are_headed_by_their_titles() -> None:
    long = "word " * 60
    made = records([{"title": "Ducks", "text": long, "more": {"x": 1}}, {"question": "Why?", "notes": long}])
    assert headings(made) == [(1, "Ducks"), (2, "more"), (1, "Why?"), (2, "notes")]
    assert records({"name": "Ducks", "x": 1}).title == "Ducks"
    made = records([{"id": 1, "notes": long}, {"id": 2, "notes": long}])
    assert headings(made) == [(1, "Record 1"), (2, "notes"), (1, "Record 2"), (2, "notes")]


def test_json_lines_are_a_record_each_and_broken_ones_are_counted() -> None:
    made = records('{"a": 1, "b": "x"}\n\nnot json\n{"a": 2}\n{"a":\n')
    assert lines(made) == ["a: 1 | b: x", "a: 2"]
    assert made.reading.warnings == ("2 lines are no JSON and were skipped: line 3, 5.",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\nat all\n", r"data is not JSON: .* \(line 1, column 1\)"),
        ('{\n"a": 1,\n"b": [\n1,\n2\n', "data is not JSON"),
        ("[" * 100_000, "data is nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "data is nested too deeply"),
        ("{}", "holds no text"),
        ("[]", "holds no text"),
        ("null", "holds no text"),
        ("", "data is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        records(text)


@pytest.mark.parametrize(
    ("text", "whole", "by_line"),
    [
        ('{"a": 1}', True, False),
        (' [1, "x"]', True, False),
        ('{"a": 1}\n{"a": 2}\n', False, True),
        ("[draft] of a letter", False, False),
        ("3", False, False),
        ("{ braces }\n{ in text }", False, False),
        ("[" * 100_000, False, False),
        ("", False, False),
    ],
)
def test_json_is_known_by_its_content(text: str, whole: bool, by_line: bool) -> None:
    assert json_records.looks_like_json(text) is whole
    assert json_records.looks_like_lines(text) is by_line


@pytest.mark.parametrize("reader", [csv_table.read, json_records.read])
def test_any_text_is_contained(reader: Callable[..., Document]) -> None:
    chance = random.Random(3)
    seeds = ['Name;Age\n"An;na";3\nBob;4,5\n', '{"a": [1, {"b": "x\\ny"}], "title": "T"}\n{"a": 2}\n']
    for _ in range(300):
        text = list(chance.choice(seeds) * chance.randrange(1, 4))
        for _ in range(chance.randrange(8)):
            text[chance.randrange(len(text))] = chance.choice('",;\t|\n\r{}[]:\\ \ud800\0x1')
        words = "".join(text)
        csv_table.looks_like(words)
        json_records.looks_like_json(words)
        json_records.looks_like_lines(words)
        try:
            said = reader(words, "file", "file.txt").text.strip()
        except DocumentError as error:
            said = error.hint
        assert said
