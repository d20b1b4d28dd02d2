"""Reports: the tables of the terminal, JSON, and the page, which must say everything and run nothing."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html
from rich.console import Console

from eval.compare import compare
from eval.dataset import Gold, Question
from eval.metrics import summarise, values
from eval.page import QUESTIONS, SHOWN, highlighted, page
from eval.report import Grid, as_json, changed, comparison, comparisons, grids, legend, rankings, table
from eval.run import Run
from index.types import Span
from tests.conftest import ROOT
from tests.runs import DOCUMENTS, ELSEWHERE, HIT, MISS, NEAR, OFF, SPANS, row, run

WHO = replace(SPANS, id="who", question="Who?", kind="who")
ASKED = [SPANS, WHO, NEAR, OFF]
BEFORE = replace(
    run(row(SPANS, MISS, HIT), row(WHO, MISS), row(NEAR, HIT), row(OFF, HIT)), system="bm25", facts={"set": "birds"}
)
AFTER = replace(
    run(
        row(SPANS, HIT, confidence=0.9, milliseconds={"total": 4.0, "embed": 3.0}),
        row(WHO, MISS, HIT, confidence=0.7),
        row(NEAR, HIT, confidence=0.6),
        row(OFF, HIT, answerable=False, confidence=0.1),
    ),
    facts={"set": "birds"},
)


def shown(grid: Grid) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(table(grid))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def text_of(document: str, start: int, end: int) -> str:
    return f"<{document}&> ".ljust(end - start, "x")[: end - start]


def made(questions: Sequence[Question], *runs: Run, more: Sequence[Grid] = ()) -> str:
    summaries = [summarise(questions, one) for one in runs]
    return page("Birds & <b>bees</b>", questions, runs, summaries, text_of, runs[-1].system, more)


def parsed(source: str) -> Any:
    return html.document_fromstring(source)


# Tables


def test_a_system_is_a_line_with_its_means_and_how_sure_they_are() -> None:
    lines = shown(rankings([summarise(ASKED, BEFORE), summarise(ASKED, AFTER)])).splitlines()
    assert lines[0].strip() == "Ranking: 2 answerable questions"
    assert lines[1].split() == ["system", "nDCG@10", "R@1", "R@5", "R@10", "R@100", "RR@10", "marked"]
    assert lines[3].split()[:5] == ["hybrid", "0.815", "±0.185", "0.500", "±0.500"]


def test_success_is_shown_where_it_is_not_recall_again() -> None:
    columns = rankings([summarise([DOCUMENTS], run(row(DOCUMENTS, ELSEWHERE)))]).columns
    assert "Success@1" in columns
    assert "marked" not in columns


def test_tables_tell_confidence_kinds_and_latency() -> None:
    ranking, confidence, kinds, latency = (shown(one) for one in grids([summarise(ASKED, AFTER)]))
    assert "hybrid" in ranking
    assert confidence.splitlines()[0].strip() == "Confidence: with 2 questions that the documents do not answer"
    assert confidence.splitlines()[2].split() == "hybrid 1.000 1.000 1.000 0.375 0.750 0.667 1.000 0.500".split()
    assert [line.split() for line in kinds.splitlines()[2:]] == [["fact", "1", "1.000"], ["who", "1", "0.000"]]
    assert latency.splitlines()[2].split() == ["hybrid", "1.0", "/", "3.9", "3.0", "/", "3.0"]


def test_tables_that_would_be_empty_are_left_out() -> None:
    unsure = replace(AFTER, rows=(row(SPANS, HIT, confidence=math.nan, milliseconds={"total": 1.0}),))
    titles = [grid.title.split(":")[0] for grid in grids([summarise(ASKED, unsure)])]
    assert titles == ["Ranking", "Latency"]
    assert [grid.title.split(":")[0] for grid in grids([summarise([OFF], AFTER)])] == ["Confidence", "Latency"]


def test_a_comparison_tells_difference_p_and_who_won() -> None:
    before, after = values(ASKED, BEFORE), values(ASKED, AFTER)
    before["RR@10"]["gone"] = 1.0
    found = compare(before, after, "RR@10")
    lines = shown(comparison(found, "yesterday", "today")).splitlines()
    assert lines[0].strip() == "today against yesterday: 2 questions; left out: 1 only in the baseline"
    starred = next(line for line in lines if "*" in line)
    assert starred.split() == ["RR@10", "*", "0.250", "0.750", "0.500", "±0.000", "0.5000", *"2 / 0 / 0".split()]
    assert [line.split()[0] for line in shown(changed(found, ASKED)).splitlines()[2:]] == ["spans", "who"]


def test_each_baseline_has_a_table_and_the_last_one_the_questions_that_changed_unless_none_did() -> None:
    before, after = values(ASKED, BEFORE), values(ASKED, AFTER)
    better, same = compare(before, after, "RR@10"), compare(after, after, "RR@10")
    titles = [grid.title for grid in comparisons({"yesterday": same, "bm25": better}, "hybrid", ASKED)]
    assert titles == [*(f"hybrid against {name}: 2 questions" for name in ("yesterday", "bm25")), CHANGED]
    assert [grid.title for grid in comparisons({"bm25": better, "yesterday": same}, "hybrid", ASKED)][2:] == []
    assert comparisons({}, "hybrid", ASKED) == []


CHANGED = "Changed most, by RR@10"


def test_words_of_others_are_not_markup_for_the_terminal() -> None:
    hostile = replace(SPANS, id="[red]id[/red]", question="[bold]Why[/bold] \x1b[31m?")
    found = compare({"RR@10": {hostile.id: 0.0}}, {"RR@10": {hostile.id: 1.0}}, "RR@10")
    printed = shown(changed(found, [hostile]))
    assert "[red]id[/red]" in printed
    assert "[bold]Why[/bold] ␛[31m?" in printed
    assert "\x1b" not in printed


def test_json_says_what_the_tables_say() -> None:
    summary = summarise(ASKED, AFTER)
    found = compare(values(ASKED, BEFORE), values(ASKED, AFTER), "RR@10")
    read = json.loads(json.dumps(as_json([summary], {"bm25": found}), allow_nan=False))
    system = read["systems"]["hybrid"]
    assert system["numbers"] == summary.flat()
    assert system["intervals"]["R@1"] == [0.0, 1.0]
    assert sum(one["count"] for one in system["reliability"]) == 4
    assert read["comparisons"]["bm25"]["regressed"] is False
    assert read["comparisons"]["bm25"]["measures"]["RR@10"]["wins"] == 2


def test_the_legend_explains_every_column() -> None:
    for word in ("nDCG", "marked", "AUROC", "ECE", "coverage", "error", "kept", "refused", "W / T / L"):
        assert word in legend()


# The page


def test_the_page_runs_and_fetches_nothing() -> None:
    source = made(ASKED, BEFORE, AFTER)
    whole = parsed(source)
    assert not whole.xpath("//script | //link | //img | //iframe | //object | //embed | //form | //base | //a")
    for element in whole.iter(etree.Element):
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "data", "action")
            assert not name.endswith("href") or value.startswith("#")
            assert "url(" not in value or "url(#" in value
    assert "@import" not in source
    assert "url(http" not in source
    assert whole.xpath("//meta[@http-equiv]/@content") == ["default-src 'none'; style-src 'unsafe-inline'"]


HOSTILE = "</svg></style></title><script>alert(1)</script><img src=x onerror=alert(1)>--> $x_1$ \"'&amp;\udc80"


def test_nothing_of_others_becomes_markup() -> None:
    gold = Gold(HOSTILE, 100, 120, HOSTILE)
    questions = [
        Question(HOSTILE, HOSTILE, HOSTILE, gold=(gold,), history=(HOSTILE,)),
        Question("documents", HOSTILE, relevant={HOSTILE: 1}),
        Question("off", HOSTILE, HOSTILE),
    ]
    passage = replace(HIT, document=HOSTILE)
    asked = Run(
        HOSTILE,
        f"_{HOSTILE}",
        {HOSTILE: HOSTILE},
        tuple(replace(row(one, passage), effective_question=f"{HOSTILE}?") for one in questions),
    )
    found = compare({"RR@10": {HOSTILE: 0.0}}, {"RR@10": {HOSTILE: 1.0}}, "RR@10")
    more = [comparison(found, HOSTILE, HOSTILE), changed(found, questions)]
    summary = summarise(questions, asked)
    source = page(HOSTILE, questions, [asked], [summary], lambda *_: HOSTILE, asked.system, more)
    whole = parsed(source)
    assert not whole.xpath("//script | //img | //*[@onerror]")
    tame = made([SPANS, DOCUMENTS, OFF], run(row(SPANS, HIT), row(DOCUMENTS, HIT), row(OFF, HIT)), more=more)
    assert {one.tag for one in whole.iter(etree.Element)} <= {one.tag for one in parsed(tame).iter(etree.Element)}
    visible = HOSTILE.replace("\udc80", "?")
    assert whole.xpath("string(//h1)") == visible
    assert visible in whole.xpath("string(//details[not(@class)]/summary)")
    assert visible in whole.xpath("string(//blockquote)")
    assert visible in whole.xpath("string(//figcaption)")
    source.encode()


@given(
    st.text(max_size=40),
    st.integers(0, 5),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: Span(min(pair), max(pair)))),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: Span(min(pair), max(pair)))),
)
def test_highlighting_changes_no_word_and_covers_what_it_should(
    text: str, start: int, marks: list[Span], golds: list[Span]
) -> None:
    text = "".join(character for character in text if character.isprintable()).strip()  # the parser drops blanks
    found = html.fragment_fromstring(highlighted(text, start, marks, golds), create_parent=True)
    assert "".join(found.itertext()) == text
    for tag, spans in (("mark", marks), ("u", golds)):
        covered = sum(any(one.start <= place < one.end for one in spans) for place in range(start, start + len(text)))
        assert sum(len("".join(one.itertext())) for one in found.iter(tag)) == covered


def test_marks_are_marked_and_the_gold_is_underlined() -> None:
    found = highlighted("Gulls <eat> chips.", 10, [Span(16, 21)], [Span(17, 40)])
    assert found == "Gulls <mark>&lt;</mark><mark><u>eat&gt;</u></mark><u> chips.</u>"


def test_the_wrong_come_first_and_the_surest_of_them() -> None:
    names = ["right", "wrong", "surely wrong", "refused", "unmarked"]
    questions = [replace(SPANS, id=name, question=name) for name in names] + [OFF]
    rows = (
        row(questions[0], HIT),
        row(questions[1], MISS, confidence=0.2),
        row(questions[2], MISS, confidence=0.8),
        row(questions[3], HIT, answerable=False),
        row(questions[4], replace(HIT, marks=())),
        row(OFF, HIT),
    )
    whole = parsed(made(questions, run(*rows)))
    said = [one.text_content() for one in whole.xpath("//summary/span")]
    assert said == ["surely wrong", "wrong", "Off?", "refused", "unmarked", "right"]
    assert [one.text_content().rpartition(": ")[2] for one in whole.xpath("//h3")] == ["2", "1", "1", "1", "1"]


def test_no_more_questions_than_can_be_read_are_told_and_it_says_so() -> None:
    questions = [replace(SPANS, id=str(number)) for number in range(QUESTIONS + 5)]
    whole = parsed(made(questions, run(*(row(one, HIT) for one in questions))))
    assert len(whole.xpath("//details[not(@class)]")) == QUESTIONS
    assert f"The first {QUESTIONS} of {QUESTIONS + 5}; 5 are left out." in whole.text_content()


def test_a_question_is_told_with_its_answer_its_passages_and_the_other_systems() -> None:
    whole = parsed(made([WHO], BEFORE, replace(AFTER, rows=(row(WHO, *[MISS] * 3, HIT, *[MISS] * 5),))))
    (details,) = whole.xpath("//details[not(@class)]")
    assert details.xpath("string(summary)") == "Who? who · confidence 0.50 · right at 4"
    assert GOLD_SAID in details.xpath("string(.//dl)")
    assert [[cell.text for cell in line] for line in details.xpath(".//tbody/tr")] == [
        ["bm25", "–", "0.50", "yes"],
        ["hybrid", "4", "0.50", "yes"],
    ]
    passages = details.xpath(".//div[starts-with(@class, 'passage')]")
    assert len(passages) == SHOWN
    assert ["✓ right" in one.text_content() for one in passages] == [False, False, False, True, False]
    assert passages[3].xpath("string(p)") == "4. ✓ right a.txt, 90–130 · score 1"
    assert passages[3].xpath("string(.//mark)").startswith("x")


GOLD_SAID = f"{'x' * 20}\n(a.txt, 100–120)"


def test_what_was_searched_for_is_told_where_it_is_not_what_was_asked() -> None:
    same, other = row(WHO, HIT), replace(row(SPANS, HIT), effective_question="Where is the gull?")
    whole = parsed(made([WHO, replace(SPANS, history=("What is a gull?",))], run(same, other)))
    told = [[term.text for term in details.xpath(".//dt")] for details in whole.xpath("//details[not(@class)]")]
    assert told == [["Kind", "Answer"], ["Kind", "Asked before", "Searched for", "Answer"]]


def test_documents_that_are_relevant_are_named() -> None:
    whole = parsed(made([DOCUMENTS], run(row(DOCUMENTS, HIT))))
    assert whole.xpath("string(//details//dl/dd[last()])") == "a.txt (2)\nb.txt (1)"


@pytest.mark.parametrize(
    ("confidence", "milliseconds", "captions"),
    [
        (0.5, {"total": 2.0}, ["Recall", "Reliability", "Error", "Latency"]),
        (math.nan, {"embed": 2.0}, ["Recall"]),  # a run of another tool
    ],
)
def test_what_is_known_is_drawn(confidence: float, milliseconds: dict[str, float], captions: list[str]) -> None:
    asked = run(row(SPANS, MISS, HIT, confidence=confidence, milliseconds=milliseconds))
    source = made([SPANS], asked)
    whole = parsed(source)
    assert [one.text.split()[0].strip(":") for one in whole.xpath("//figcaption/b")] == captions
    assert len(whole.xpath("//figure/svg")) == len(captions)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', source)) == set(whole.xpath("//@id"))


def test_the_page_is_the_same_each_time() -> None:
    assert made(ASKED, BEFORE, AFTER) == made(ASKED, BEFORE, AFTER)


def test_the_plots_are_loaded_when_they_are_drawn() -> None:
    code = "import sys, eval.page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
