"""Eval sets are read from the formats people have; what does not fit is refused, naming the place and the remedy."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import SETS, EvalSet, Folder, Gold, Question, Texts
from eval.formats import beir, lines, open_set, squad, table
from eval.formats.quotations import is_located, locate, places, quotation
from index.errors import DocumentError
from tests.conftest import ROOT
from tests.documents import DATASETS

Rows = Sequence[Mapping[str, object]]


def written(path: Path, rows: Rows) -> Path:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def refusal(error: pytest.ExceptionInfo[DocumentError], folder: Path) -> str:
    """Message and hint, without the folder's own name."""
    return f"{error.value.message} | {error.value.hint}".replace(f"{folder}/", "")


# JSON Lines


def test_a_line_is_a_question_with_its_spans_grades_and_history(tmp_path: Path) -> None:
    span = {"document": "birds.txt", "start": 19, "end": 35, "text": "Gulls eat chips."}
    row = {"id": "a", "question": "And gulls?", "kind": "fact", "gold": [span, span], "relevant": {"birds.txt": 2}}
    file = written(tmp_path / "set.jsonl", [row | {"history": ["What do pelicans eat?"]}])
    assert lines.load(file) == (
        Question(
            *("a", "And gulls?", "fact"),
            gold=(Gold("birds.txt", 19, 35, "Gulls eat chips."),),
            relevant={"birds.txt": 2},
            history=("What do pelicans eat?",),
        ),
    )


def test_a_line_needs_but_a_question_and_gold_and_its_id_is_its_number(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"question": "Who?", "gold": []}\r\n\r\n  \n{"question": "Why?", "gold": []}')
    assert lines.load(file) == (Question("1", "Who?"), Question("4", "Why?"))


def test_gold_without_offsets_is_a_quotation_yet_to_be_located(tmp_path: Path) -> None:
    gold = [{"document": "birds.txt", "text": "Gulls eat chips."}, {"text": "chips"}]
    (question,) = lines.load(written(tmp_path / "set.jsonl", [{"question": "What?", "gold": gold}]))
    assert question.gold == (Gold("birds.txt", -1, -1, "Gulls eat chips."), Gold("", -1, -1, "chips"))
    assert question.answerable
    assert not any(map(is_located, question.gold))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{,", ": not JSON: Expecting property name enclosed in double quotes (column 2) | Write one object a line."),
        (f"{{'id': {'1' * 5000}}}", ": not JSON that can be read: Exceeds the limit (4300 digits)"),
        ("[]", ": not a JSON object | Write one object a line, in curly brackets."),
        ('"\udce4"', ": not UTF-8 text | Save the file as UTF-8."),
        ("{Q, G, 'ID': 'x'}", ": there is no key 'ID' in this format | Known are id, question, kind, gold,"),
        ("{'qestion': 'q'}", ": there is no key 'qestion' in this format | Did you mean 'question'?"),
        ("{Q}", ': neither gold nor relevant says what answers the question | Write "gold": [] where the documents'),
        ("{Q, 'gold': null}", ": neither gold nor relevant says what answers the question"),
        (
            "{'question': ' ', G}",
            ": question is missing or empty | Give each question its words, or remove the record.",
        ),
        ("{'question': '\\ud800', G}", ": question holds characters that are not text (NUL or half of a surrogate"),
        ("{'question': 1, G}", ": question is not a string | Put question in quotation marks."),
        ("{Q, 'gold': {}}", ": gold is not a list | Put gold in square brackets."),
        ("{Q, 'gold': ['x']}", ": gold 1 is not an object | Put its keys and values in curly brackets."),
        ("{Q, 'gold': [{'text': 'a', 'star': 1}]}", ", gold 1: there is no key 'star' in this format | Did you mean"),
        ("{Q, 'gold': [{D, 'text': 'a', 'start': 1}]}", ", gold 1: end is missing or not a whole number"),
        ("{Q, 'gold': [{D, 'text': 'a', 'start': 5, 'end': 5}]}", ", gold 1: 5 to 5 is no span | Offsets count"),
        ("{Q, 'gold': [{'text': 'a', 'start': 1, 'end': 2}]}", ", gold 1: document is missing or empty"),
        ("{Q, 'relevant': {'d': true}}", ", relevant: d is missing or not a whole number"),
        ("{Q, G, 'history': ['', 'x']}", ", history 1: history is missing or empty"),
        ("{Q, G, 'id': 1}", ": the id '1' is that of set.jsonl, line 1 already | Give each its own."),
    ],
)
def test_a_line_that_does_not_fit_is_named_with_its_remedy(tmp_path: Path, line: str, message: str) -> None:
    text = line.replace("Q", "'question': 'q'").replace("G", "'gold': []").replace("D,", "'document': 'd',")
    data = f'{{"question": "q", "gold": []}}\n{text}\n'.replace("'", '"').encode(errors="surrogateescape")
    (tmp_path / "set.jsonl").write_bytes(data)
    with pytest.raises(DocumentError) as error:
        lines.load(tmp_path / "set.jsonl")
    assert refusal(error, tmp_path).startswith(f"set.jsonl, line 2{message}")


def test_a_set_without_questions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("\n")
    with pytest.raises(DocumentError, match=r"set\.jsonl holds no questions"):
        lines.load(tmp_path / "set.jsonl")


# spreadsheets

TABLE = "Question,Expected quotation,Document,Kind,History\n"


def test_a_row_is_a_question_and_the_quotation_that_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "set.csv"
    file.write_text(
        TABLE
        + 'Who won?,"The snail, in 2019",race.txt,who,\n'
        + ",,,,\n"
        + 'And then?," two\nlines ",,,"Who won?\nWho lost?"\n'
        + "Who fell?\n"
        + "Who won?,the snail won,,,\n"
    )
    assert table.load(file) == (
        Question("2", "Who won?", "who", (Gold("race.txt", -1, -1, "The snail, in 2019"), quotation("the snail won"))),
        Question("4", "And then?", gold=(quotation("two\nlines"),), history=("Who won?", "Who lost?")),
        Question("5", "Who fell?"),
    )


@pytest.mark.parametrize("heading", ["quotation", "Expected  Quotation", " ANSWER ", "expected"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16"], ids=["UTF-8", "UTF-8 with a mark", "UTF-16 with a mark"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_tables_are_read_as_excel_saves_them(tmp_path: Path, heading: str, encoding: str, delimiter: str) -> None:
    file = tmp_path / "set.csv"
    text = f'Question{delimiter}{heading}{delimiter}\r\n"Who, then; or who?"{delimiter}Zoë{delimiter}\r\n'
    file.write_bytes(text.encode(encoding))
    assert table.load(file) == (Question("2", "Who, then; or who?", gold=(quotation("Zoë"),)),)


def test_the_line_in_which_excel_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"\xef\xbb\xbfsep=|\r\nquestion|quotation\r\nWho?|me\r\n")
    assert table.load(tmp_path / "set.csv") == (Question("2", "Who?", gold=(quotation("me"),)),)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=30).map(str.strip)


@given(rows=st.lists(st.tuples(cells.filter(bool), cells), min_size=1, unique_by=lambda row: row[0]), data=st.data())
def test_whatever_is_written_in_a_cell_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=data.draw(st.sampled_from(",;\t"))).writerows([("question", "quotation"), *rows])
    file = tmp_path_factory.getbasetemp() / "drawn.csv"
    file.write_bytes(stream.getvalue().encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))))
    read = [(one.question, one.gold[0].text if one.gold else "") for one in table.load(file)]
    assert read == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "set.csv holds no questions | Write one a row below the headings."),
        (TABLE, "set.csv holds no questions | Write one a row below the headings."),
        (
            "question,document\nq,d\n",
            "set.csv, row 1: no column is called quotation"
            " | Columns are question and quotation; also document, kind, history and notes.",
        ),
        ("answer\na\n", "set.csv, row 1: no column is called question"),
        ("question,answer,documnet\n", "set.csv, row 1: there is no column 'documnet' in this format"),
        ("question,answer,expected\n", "set.csv, row 1: two columns hold the quotation | Keep one;"),
        (f"{TABLE},me,,,\n", "set.csv, row 2: question is missing or empty"),
        (
            "question,answer\n\nWho?,the snail, in 2019\n",
            "set.csv, row 3: cell 3 has no heading | Put quotation marks around a text that holds the delimiter.",
        ),
        ("question,answer,\nWho?,me,you\n", "set.csv, row 2: cell 3 has no heading"),
        (f"{TABLE}Who?,,race.txt\n", "set.csv, row 2: race.txt is named, but nothing is quoted from it"),
        (
            f"{TABLE}Who?,me\nWho?,\n",
            "set.csv, row 3: row 2 asks the same, and only one of them has a quotation",
        ),
        (
            f"{TABLE}Who?,me,,who\nWho?,you,,fact\n",
            "set.csv, row 3: the kind is 'fact', but 'who' in row 2, which asks the same | Give both the same kind.",
        ),
        (
            f'{TABLE}Who?,me\nWhy?,"so\n',
            "set.csv, row 3: unexpected end of data"
            " | Close each quotation mark that opens a cell, and double those within it.",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named_with_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "set.csv").write_text(text)
    with pytest.raises(DocumentError) as error:
        table.load(tmp_path / "set.csv")
    assert refusal(error, tmp_path).startswith(message)


def test_a_table_in_an_old_encoding_is_refused_rather_than_misread(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes("question;quotation\nWer?;Zoë\n".encode("cp1252"))
    with pytest.raises(DocumentError) as error:
        table.load(tmp_path / "set.csv")
    assert (
        refusal(error, tmp_path) == 'set.csv is not UTF-8 text (byte 26) | In the spreadsheet, save it as "CSV UTF-8".'
    )


# quotations

TEXTS = {"old/birds.txt": "Pelicans eat\n  fish. “Gulls” eat fish – and chips.", "cats.txt": "Cats eat fish."}


def located(*golds: Gold) -> tuple[Gold, ...]:
    return locate([Question("1", "What?", gold=golds)], TEXTS)[0].gold


def test_a_quotation_is_located_wherever_it_stands_and_told_verbatim() -> None:
    assert located(quotation("eat fish")) == (
        Gold("old/birds.txt", 9, 19, "eat\n  fish"),
        Gold("old/birds.txt", 29, 37, "eat fish"),
        Gold("cats.txt", 5, 13, "eat fish"),
    )


def test_quotation_marks_dashes_case_and_white_space_are_alike() -> None:
    assert located(quotation(' "gulls"  EAT\tfish - and')) == (Gold("old/birds.txt", 21, 43, "“Gulls” eat fish – and"),)


@pytest.mark.parametrize("name", ["old/birds.txt", "birds.txt", "old\\birds.txt"])
def test_a_document_is_named_by_its_source_or_the_end_of_it(name: str) -> None:
    assert located(quotation("eat fish", name)) == (
        Gold("old/birds.txt", 9, 19, "eat\n  fish"),
        Gold("old/birds.txt", 29, 37, "eat fish"),
    )


def test_a_whole_source_is_that_document_alone() -> None:
    questions = [Question("1", "What?", gold=(quotation("fish", "a.txt"),))]
    (found,) = locate(questions, {"old/a.txt": "fish", "a.txt": "raw fish"})
    assert found.gold == (Gold("a.txt", 4, 8, "fish"),)


def test_what_is_located_already_stays_as_it_is_and_stands_once() -> None:
    gold = Gold("cats.txt", 0, 4, "Cats")
    questions = (Question("1", "Who?", gold=(gold,)), Question("2", "Why?", relevant={"cats.txt": 1}))
    assert locate(questions, {}) == questions
    assert located(gold, quotation("cats", "cats.txt")) == (gold,)


def test_a_place_within_a_word_is_none_but_where_words_have_no_blanks_between_them() -> None:
    assert places("The start of art, and an artist's 1940.", "art") == [(13, 16)]
    assert places("The start of art, and an artist's 1940.", "40") == []
    assert places("Cafe\u0301 cafe", "cafe") == [(6, 10)]
    assert places("联赛中排名第六", "排名") == [(3, 5)]
    assert places("anything", " ") == []


def test_characters_that_change_their_length_with_their_case_shift_nothing() -> None:
    assert places("İİ ΟΔΟΣ straße", "οδος") == [(3, 7)]
    assert places("İİ ΟΔΟΣ straße", "STRAßE") == [(8, 14)]


@given(st.text(), st.text(min_size=1).map(str.strip).filter(bool), st.text())
def test_what_is_copied_from_a_text_is_found_there(before: str, copied: str, after: str) -> None:
    start = len(before) + 1
    assert (start, start + len(copied)) in places(f"{before} {copied}. {after}", re.sub(r"\s+", "\n ", f" {copied}"))


def test_all_quotations_that_stand_nowhere_are_told_at_once() -> None:
    questions = [Question(str(at), "What?", gold=(quotation(f"word{at}"),)) for at in range(1, 13)]
    questions[1] = replace(questions[1], gold=(quotation("long\n" * 40, "birds.txt"), quotation("fish", "dogs.txt")))
    questions[2] = replace(questions[2], gold=(quotation("fish"),))
    with pytest.raises(DocumentError) as error:
        locate(questions, TEXTS)
    assert error.value.message.split("\n") == [
        "these expected quotations stand in none of the documents they are looked for in:",
        '  question 1: "word1": not in any document',
        f'  question 2: "{"long " * 16}…": not in birds.txt',
        '  question 2: "fish": no document is called dogs.txt',
        *(f'  question {at}: "word{at}": not in any document' for at in range(4, 11)),
        "  and 2 more",
    ]
    assert error.value.hint.startswith("Copy whole words from the document as /documents/ID/text shows them")


# SQuAD

EARTH = "The earth is round. It is round like a ball."


def article(title: str, context: str, *asked: Mapping[str, object]) -> dict[str, object]:
    return {"title": title, "paragraphs": [{"context": "Before."}, {"context": context, "qas": list(asked)}]}


def answered(start: int, text: str, id: str = "q1") -> dict[str, object]:  # noqa: A002
    answer = {"text": text, "answer_start": start}
    return {"id": id, "question": "How is it?", "answers": [answer, answer], "is_impossible": False}


def squad_file(folder: Path, *articles: Mapping[str, object]) -> Path:
    (folder / "squad.json").write_text(json.dumps({"version": "v2.0", "data": articles}))
    return folder / "squad.json"


def texts(found: EvalSet) -> dict[str, str]:
    """The texts of its documents, by source; reading them again gives the same."""
    assert isinstance(found.corpus, Texts)
    documents = list(found.corpus.documents())
    assert documents == list(found.corpus.documents())
    assert all(document.id == document.source for document in documents)
    return {document.id: document.text for document in documents}


def test_an_article_of_squad_is_a_document_and_impossible_questions_are_near_misses(tmp_path: Path) -> None:
    miss = {"id": "q2", "question": "How flat?", "answers": [], "plausible_answers": [{}], "is_impossible": True}
    no_words: dict[str, object] = {"title": "Blank", "paragraphs": [{"context": " ", "qas": []}]}
    file = squad_file(
        tmp_path,
        article("The_earth", EARTH, answered(13, "round"), miss),
        article("The_earth", EARTH, answered(26, "round like", "q3")),
        no_words,
    )
    found = squad.load(file, "mine")
    assert found.name == "mine"
    assert found.questions == (
        Question("q1", "How is it?", gold=(Gold("The_earth", 22, 27, "round"),)),
        Question("q2", "How flat?", "near"),
        Question("q3", "How is it?", gold=(Gold("The_earth_2", 35, 45, "round like"),)),
    )
    assert texts(found) == {"The_earth": f"Before.\n\n{EARTH}", "The_earth_2": f"Before.\n\n{EARTH}"}
    assert isinstance(found.corpus, Texts)
    assert [document.title for document in found.corpus.documents()] == ["The earth", "The earth"]


@given(st.lists(st.tuples(st.text(), st.text(min_size=1).filter(str.strip), st.text()), min_size=1, max_size=5))
def test_spans_of_squad_survive_the_joining_of_paragraphs(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, str]]
) -> None:
    drawn = [
        (before.replace("\0", ""), text.replace("\0", "x"), after.replace("\0", "")) for before, text, after in drawn
    ]
    paragraphs = [
        {"context": "".join(parts), "qas": [answered(len(parts[0]), parts[1], str(at))]}
        for at, parts in enumerate(drawn)
    ]
    found = squad.load(squad_file(tmp_path_factory.getbasetemp(), {"title": "", "paragraphs": paragraphs}), "drawn")
    (text,) = texts(found).values()
    golds = [one.gold[0] for one in found.questions]
    assert [gold.text for gold in golds] == [text[gold.start : gold.end] for gold in golds]
    assert [gold.text for gold in golds] == [middle for _, middle, _ in drawn]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n,}", "squad.json, line 2: not JSON: Expecting property name"),
        ('{"data": ' + "1" * 5000 + "}", "squad.json is not JSON that can be read: Exceeds the limit (4300 digits)"),
        ("[]", "squad.json is not in SQuAD's format: it has no list of articles, called data | Name a file of SQuAD"),
        ('{"data": []}', "squad.json holds no questions | Name a file of SQuAD v1.1 or v2.0"),
        ('{"data": [1]}', "squad.json: data 1 is not an object"),
        (
            '{"data": [{"paragraphs": [{"qas": [{}]}]}]}',
            "squad.json, data 1, paragraphs 1, qas 1: id is missing or empty",
        ),
    ],
)
def test_what_is_not_squad_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "squad.json").write_text(text)
    with pytest.raises(DocumentError) as error:
        squad.load(tmp_path / "squad.json", "mine")
    assert refusal(error, tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (answered(14, "round"), "q1, answers 1: 'round' does not stand at 14 of its paragraph | Correct answer_start"),
        (answered(-7, "ball"), "q1, answers 1: 'ball' does not stand at -7 of its paragraph"),
        (answered(0, "The") | {"answers": []}, "q1: it has no answers | Write is_impossible: true where"),
        (answered(0, "The") | {"question": ""}, "q1: question is missing or empty"),
    ],
)
def test_a_wrong_answer_of_squad_is_named_by_its_question(
    tmp_path: Path, asked: Mapping[str, object], message: str
) -> None:
    with pytest.raises(DocumentError) as error:
        squad.load(squad_file(tmp_path, article("The_earth", EARTH, asked)), "mine")
    assert refusal(error, tmp_path).startswith(f"squad.json, question {message}")


# BEIR


JUDGED = "q1\td1\t2\nq1\td2\t0\n\nq2\td3\t1\n"


def beir_folder(folder: Path, qrels: str = JUDGED, **files: Rows) -> Path:
    """A small set; `files` stand in the place of its own or beside them."""
    own: dict[str, Rows] = {
        "corpus": [
            {"_id": "d1", "title": "Earth", "text": f" {EARTH}"},
            {"_id": "d2", "title": "Only a title", "text": ""},
            {"_id": "d3", "title": " "},
            {"_id": "d/4", "text": "Cats sleep."},
        ],
        "queries": [{"_id": "q1", "text": "How is it?"}, {"_id": "q2", "text": "What?"}, {"_id": "q3", "text": "Why?"}],
    }
    for name, rows in (own | files).items():
        written(folder / f"{name}.jsonl", rows)
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")
    return folder


def test_queries_with_a_relevant_document_are_asked_of_the_documents_that_hold_words(tmp_path: Path) -> None:
    found = beir.load(beir_folder(tmp_path, "q1\td1\t2\nq1\td2\t0\nq1\td3\t1\nq2\td3\t1\nq3\td1\t-1\n"), "mine")
    assert found.questions == (Question("q1", "How is it?", relevant={"d1": 2, "d2": 0}),)
    assert texts(found) == {"d1": f" {EARTH}", "d2": "Only a title", "d/4": "Cats sleep."}


def test_the_key_of_a_set_changes_with_its_documents_alone(tmp_path: Path) -> None:
    def key(**files: Rows) -> str:
        corpus = beir.load(beir_folder(tmp_path, "q1\td1\t1\n", **files), "mine").corpus
        assert isinstance(corpus, Texts)
        return corpus.key

    row = {"_id": "d1", "text": "Cats sleep."}
    assert key(corpus=[row]) == key(corpus=[row], queries=[{"_id": "q1", "text": "Who?"}])
    assert key(corpus=[row]) != key(corpus=[row | {"text": "Cats slept."}])


def test_history_is_what_the_user_asked_before(tmp_path: Path) -> None:
    turns = [{"speaker": "user", "text": "Is it flat?"}, {"speaker": "agent", "text": "No."}]
    queries: Rows = [
        {"_id": "q1", "text": "How then?", "history": turns},
        {"_id": "q2", "text": "Why?", "history": ["How?", "Who?"]},
    ]
    found = beir.load(beir_folder(tmp_path, "q1\td1\t1\nq2\td1\t1\n", queries=queries), "mine")
    assert [one.history for one in found.questions] == [("Is it flat?",), ("How?", "Who?")]


def test_answers_are_spans_and_unanswerable_questions_near_misses(tmp_path: Path) -> None:
    ball, round_ = {"text": "ball", "answer_start": 40}, {"text": "round", "answer_start": 14}
    answers: Rows = [
        {"_id": "q1", "doc": "d1", "answers": [[round_, ball], [ball], round_], "evidence_sentence": "Not read."},
        {
            "_id": "q1",
            "doc": "d/4",
            "long_answers": [{"selected_sentences": []}, {"selected_sentences": ["Cats sleep."]}],
        },
        {"_id": "q1", "doc": "d/4", "answers": [], "evidence_sentence": "Cats sleep."},
        {"_id": "q3", "doc": "d1", "answers": [ball]},
    ]
    misses = [{"_id": "u1", "text": "How flat?", "about": "d1"}]
    found = beir.load(beir_folder(tmp_path, answers=answers, unanswerable=misses), "mine")
    spans = (Gold("d1", 14, 19, "round"), Gold("d1", 40, 44, "ball"), Gold("d/4", 0, 11, "Cats sleep."))
    assert found.questions == (
        Question("q1", "How is it?", gold=spans, relevant={"d1": 2, "d2": 0}),
        Question("u1", "How flat?", "near", about="d1"),
    )


def test_evidence_is_given_by_the_numbers_of_sentences(tmp_path: Path) -> None:
    corpus = [{"_id": "d1", "text": EARTH, "sentences": ["The earth is  round. \n", "It is round like a ball."]}]
    evidence = [{"query": "q1", "doc": "d1", "label": "CONTRADICT", "sentences": [1, 0]}]
    found = beir.load(beir_folder(tmp_path, "q1\td1\t1\n", corpus=corpus, evidence=evidence), "mine")
    assert [gold.text for gold in found.questions[0].gold] == ["It is round like a ball.", "The earth is round."]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"corpus": [{"_id": "d1", "text": "a"}] * 2},
            "corpus.jsonl, line 2: the id 'd1' is that of corpus.jsonl, line 1",
        ),
        ({"corpus": [{"text": "a"}]}, "corpus.jsonl, line 1: _id is missing or empty"),
        ({"corpus": [{"_id": "d1", "text": "a\0"}]}, "corpus.jsonl, line 1: text holds characters that are not text"),
        ({"corpus": [{"_id": "d1", "text": "a"}]}, "qrels/test.tsv, line 3: there is no document 'd2' in corpus.jsonl"),
        ({"queries": [{"_id": "q1", "text": "a"}]}, "qrels/test.tsv, line 5: there is no query 'q2' in queries.jsonl"),
        (
            {"unanswerable": [{"_id": "q2", "text": "a"}]},
            "unanswerable.jsonl, line 1: the id 'q2' is that of queries.jsonl, line 2 already",
        ),
        (
            {"answers": [{"_id": "q1", "doc": "d1", "answers": [{"text": "round", "answer_start": 13}]}]},
            "answers.jsonl, line 1: 'round' does not stand at 13 of the document d1 | Correct answer_start",
        ),
        (
            {"answers": [{"_id": "q1", "doc": "d1", "answers": [{"text": "round", "answer_start": -1}]}]},
            "answers.jsonl, line 1, answer 1: answer_start is below 0",
        ),
        (
            {"answers": [{"_id": "q1", "doc": "d1", "evidence_sentence": "It is flat."}]},
            "answers.jsonl, line 1: 'It is flat.' does not stand in the document d1",
        ),
        ({"answers": [{"_id": "q9", "doc": "d1"}]}, "answers.jsonl, line 1: there is no query 'q9' in queries.jsonl"),
        (
            {"answers": [{"_id": "q1", "doc": "d9", "evidence_sentence": "a"}]},
            "answers.jsonl, line 1: there is no document 'd9' in corpus.jsonl",
        ),
        (
            {"evidence": [{"query": "q1", "doc": "d1", "sentences": [0]}]},
            "evidence.jsonl, line 1: the document d1 has no sentence 0 in the corpus",
        ),
    ],
)
def test_files_of_a_set_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, files: dict[str, Rows], message: str
) -> None:
    with pytest.raises(DocumentError) as error:
        beir.load(beir_folder(tmp_path, JUDGED, **files), "mine")
    assert refusal(error, tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("q1\td1\n", "qrels/test.tsv, line 2: not a query, a document and a whole number, parted by tabs"),
        ("q1\td1\t1.5\n", "qrels/test.tsv, line 2: not a query, a document and a whole number, parted by tabs"),
        ("q1\td1\t1\nq1\td1\t2\n", "qrels/test.tsv, line 3: 'd1' has another grade for the query 'q1' above"),
        ("q1\td1\t0\nq2\td3\t1\n", "no query of queries.jsonl is judged in qrels/test.tsv"),
    ],
)
def test_judgements_that_do_not_fit_are_refused(tmp_path: Path, qrels: str, message: str) -> None:
    with pytest.raises(DocumentError) as error:
        beir.load(beir_folder(tmp_path, qrels), "mine")
    assert refusal(error, tmp_path).startswith(message)


def test_a_first_judgement_without_headings_above_is_not_taken_for_them(tmp_path: Path) -> None:
    (beir_folder(tmp_path) / "qrels" / "test.tsv").write_text("q1\td1\t1\n")
    with pytest.raises(DocumentError, match=r"test\.tsv, line 1: a judgement where headings are expected"):
        beir.load(tmp_path, "mine")


def test_one_split_is_measured_test_before_all_others(tmp_path: Path) -> None:
    test = beir_folder(tmp_path) / "qrels" / "test.tsv"
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\td1\t1\n")
    assert [one.id for one in beir.load(tmp_path, "mine").questions] == ["q1"]
    test.rename(test.with_name("dev.tsv"))
    with pytest.raises(DocumentError, match=r"qrels holds judgements of several splits: dev\.tsv, train\.tsv"):
        beir.load(tmp_path, "mine")
    test.with_name("dev.tsv").unlink()
    assert [one.id for one in beir.load(tmp_path, "mine").questions] == ["q3"]
    test.with_name("train.tsv").unlink()
    with pytest.raises(DocumentError, match=r"is no eval set: there is no \.tsv file in its folder qrels"):
        beir.load(tmp_path, "mine")


# names


def test_seeds_are_the_set_that_comes_with_the_program_over_its_documents(tmp_path: Path) -> None:
    found = open_set("seeds", None)
    assert found == EvalSet("seeds", lines.load(SETS / "seeds.jsonl"), Folder(ROOT / "seeds"))
    assert open_set("seeds", tmp_path) == replace(found, corpus=Folder(tmp_path))
    raw = [json.loads(line) for line in (SETS / "seeds.jsonl").read_text(encoding="utf-8").splitlines()]
    read = [
        {"id": one.id, "question": one.question, "kind": one.kind, "gold": [asdict(gold) for gold in one.gold]}
        for one in found.questions
    ]
    assert read == raw


def test_a_file_of_questions_is_about_the_folder_given_or_the_users_library(tmp_path: Path) -> None:
    question = Question("1", "Who?", gold=(quotation("me"),))
    file = written(tmp_path / "set.JSONL", [{"question": "Who?", "gold": [{"text": "me"}]}])
    (tmp_path / "set.csv").write_text("question,quotation\nWho?,me\n")
    assert open_set(str(file), None) == EvalSet("set.JSONL", (question,), None)
    assert open_set(str(file), tmp_path) == EvalSet("set.JSONL", (question,), Folder(tmp_path))
    assert open_set(str(tmp_path / "set.csv"), tmp_path).questions == (replace(question, id="2"),)
    with pytest.raises(DocumentError, match=r"set\.csv is not a folder"):
        open_set(str(file), tmp_path / "set.csv")


def test_sets_with_documents_of_their_own_take_no_folder(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "birds")
    file = squad_file(tmp_path, article("The_earth", EARTH, answered(13, "round")))
    assert [open_set(str(path), None).name for path in (folder, file)] == ["birds", "squad.json"]
    for path in (folder, file):
        with pytest.raises(DocumentError, match=rf"{path.name} brings its own documents"):
            open_set(str(path), tmp_path)


def test_a_public_set_is_called_by_its_folders_name_and_a_path_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_DATASETS", str(tmp_path / "sets"))
    monkeypatch.chdir(tmp_path)
    beir_folder(tmp_path / "sets" / "birds" / "es")
    assert open_set("birds/es", None).name == "birds/es"
    with pytest.raises(DocumentError, match="birds/es brings its own documents"):
        open_set("birds/es", tmp_path)
    written(tmp_path / "birds" / "es", []).rename(tmp_path / "birds" / "es.txt")
    (tmp_path / "birds" / "es").mkdir()
    with pytest.raises(DocumentError, match=r"^birds/es is no eval set: there is no corpus\.jsonl in it"):
        open_set("birds/es", None)


@pytest.mark.parametrize("name", ["brids", "", "../birds.csv"])
def test_a_name_that_fits_nothing_is_answered_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("QA_DATASETS", str(tmp_path / "sets"))
    files = "A file is .jsonl (a question a line), .csv (a question and a quotation a row) or .json (SQuAD)"
    with pytest.raises(DocumentError) as error:
        open_set(name, None)
    assert refusal(error, tmp_path) == (
        f"there is no eval set '{name}' | {files}, or name seeds."
        " The public sets need QA_DATASETS to name their folder."
    )
    beir_folder(tmp_path / "sets" / "birds")
    beir_folder(tmp_path / "sets" / "fish" / "es")
    with pytest.raises(DocumentError) as error:
        open_set(name, None)
    assert error.value.hint == f"{files}, a folder is in BEIR's layout. Known by name are seeds, birds, fish/es."


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.xlsx").write_text("")
    with pytest.raises(DocumentError, match=r"set\.xlsx is of no kind that an eval set is read from"):
        open_set(str(tmp_path / "set.xlsx"), None)


# the public sets


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not DATASETS.is_dir():
        pytest.skip(f"there is no {DATASETS}; QA_DATASETS names the folder of the data sets")
    monkeypatch.setenv("QA_DATASETS", str(DATASETS))
    return DATASETS


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "answerable", "unanswerable", "with_history", "with_spans", "documents"),
    [
        ("squad_a", 2923, 2902, 0, 2923, 584),
        ("nq_mini", 1504, 451, 0, 1503, 1938),  # of one, annotators selected no sentence
        ("doc2dial", 2062, 0, 1717, 2062, 273),
        ("xquad/es", 1190, 0, 0, 1190, 240),
        ("xquad/zh", 1190, 0, 0, 1190, 240),
        ("scifact", 809, 0, 0, 505, 5183),
        ("cran", 225, 0, 0, 0, 1398),  # two abstracts are empty
        ("med", 30, 0, 0, 0, 1033),
        ("cacm", 52, 0, 0, 0, 3204),
    ],
)
def test_public_sets_are_read_whole_and_their_spans_stand_in_their_documents(
    datasets: Path,
    name: str,
    answerable: int,
    unanswerable: int,
    with_history: int,
    with_spans: int,
    documents: int,
) -> None:
    found = open_set(name, None)
    assert found.name == name
    held = texts(found)
    golds = [gold for one in found.questions for gold in one.gold]
    assert all(held[gold.document][gold.start : gold.end] == gold.text for gold in golds)
    assert all(one.relevant or one.kind == "near" for one in found.questions)
    assert all(document in held for one in found.questions for document in one.relevant)
    assert (answerable, unanswerable, with_history, with_spans, documents) == (
        sum(one.answerable for one in found.questions),
        sum(not one.answerable for one in found.questions),
        sum(bool(one.history) for one in found.questions),
        sum(bool(one.gold) for one in found.questions),
        len(held),
    )


@pytest.mark.samples
def test_squad_has_the_questions_that_its_file_says_and_their_answers_in_order(datasets: Path) -> None:
    file = datasets / "squad_a" / "squad.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    asked = [qa for one in raw["data"] for paragraph in one["paragraphs"] for qa in paragraph["qas"]]
    found = open_set(str(file), None)
    held = texts(found)
    assert [(one.id, one.answerable) for one in found.questions] == [
        (qa["id"], not qa["is_impossible"]) for qa in asked
    ]
    for one, qa in zip(found.questions, asked, strict=True):
        quoted = [held[gold.document][gold.start : gold.end] for gold in one.gold]
        assert quoted == [text for text, _ in dict.fromkeys((a["text"], a["answer_start"]) for a in qa["answers"])]
