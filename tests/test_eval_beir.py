"""Eval sets in BEIR's layout: files that must fit each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.dataset import Gold, Question, Texts
from eval.formats import beir
from index.errors import DocumentError
from tests.sets import EARTH, JUDGED, Rows, beir_folder, refusal, texts


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
