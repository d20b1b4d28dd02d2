"""A report as one page: tables, plots, and what became of each question, the wrong ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from math import isnan
from typing import NamedTuple, TypeAlias

from eval import plots
from eval.dataset import Question
from eval.hypertext import Aside, table, webpage
from eval.judge import OUTCOMES, Outcome, asked, outcome, relevant, right_rank
from eval.metrics import Summary, recall_curve
from eval.report import LEGEND, NONE, WORDS, Cell, Grid, grids
from eval.run import Returned, Row, Run
from eval.statistics import Interval
from index.types import Span

TextOf: TypeAlias = Callable[[str, int, int], str]
"""The text of a document, by its source, from one offset to another."""

QUESTIONS = 300
SHOWN = 5
"""Questions told in full, and passages of each."""

_SAID: dict[Outcome, str] = {
    "wrong": "The top passage does not hold the answer",
    "answered in vain": "Answered, though the documents do not hold the answer",
    "refused": "Called unanswerable, though the top passage holds the answer",
    "not marked": "Right, but something else is marked",
    "right": "Right",
}

_STYLE = """
:root { --quiet: #5b646a; --line: #8884; --good: #1b6e3c; --bad: #a3321f; --mark: #ffe9a3; --gold: #1b6e3c }
@media (prefers-color-scheme: dark) {
  :root { --quiet: #9eaab0; --good: #7fd6a0; --bad: #ff9d8a; --mark: #6b5413; --gold: #7fd6a0 }
}
h1, h2 { line-height: 1.25 }
h2 { margin-block: 2.5rem .5rem }
h3 { margin-block: 2rem .5rem; font-size: 1.05rem }
table { font-variant-numeric: tabular-nums; font-size: .9rem }
th { font-weight: 600; vertical-align: bottom }
td small { display: block; color: var(--quiet); font-size: .75rem }
.strong td { font-weight: 650 }
.strong td small { font-weight: 400 }
.facts { color: var(--quiet); font-size: .875rem; overflow-wrap: anywhere }
.facts b { font-weight: 600 }
.plots { display: grid; gap: 1rem; margin-block: 1rem }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)) }
figure { margin: 0; color: #1d2327; border: 1px solid var(--line) }
figcaption { font-size: .875rem; padding: .2rem .4rem; overflow-wrap: anywhere }
figcaption b { display: block; font-weight: 600 }
figcaption span { display: inline-block; margin-inline-end: .8rem; font-size: .8rem }
figcaption svg { width: 28px; height: 8px; display: inline-block }
details { border-block-end: 1px solid var(--line) }
summary { cursor: pointer; padding: .5rem 0; overflow-wrap: anywhere }
summary small { color: var(--quiet); white-space: nowrap }
summary:focus-visible { outline: 2px solid; outline-offset: 2px }
details > div { padding: 0 0 1rem 1rem }
dl { display: grid; gap: .2rem 1rem; margin: .3rem 0 1rem; font-size: .9rem }
dl { grid-template-columns: max-content minmax(0, 1fr) }
dt { color: var(--quiet) }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap }
.passage { margin-block: .8rem; padding-inline-start: .8rem; border-inline-start: 3px solid var(--line) }
.passage.right { border-color: var(--good) }
.passage p { margin: 0 }
.passage .place { font-size: .85rem; color: var(--quiet); overflow-wrap: anywhere }
.right .place b { color: var(--good) }
.passage blockquote { margin: .2rem 0 0; max-width: 65ch; white-space: pre-wrap; overflow-wrap: anywhere }
.passage blockquote { font-family: Charter, "Bitstream Charter", Cambria, Georgia, "Noto Serif", serif }
mark { background: var(--mark); color: inherit }
u { text-decoration: underline 2px var(--gold); text-underline-offset: .2em }
@media (max-width: 30rem) {
  h1 { font-size: 1.6rem }
  h2 { font-size: 1.25rem }
  th, td { padding-inline: .4rem }
  .words { min-width: 9rem }
  dl { grid-template-columns: minmax(0, 1fr) }
  dd { margin-block-end: .4rem }
  details > div { padding-inline-start: .2rem }
}
"""


class _Told(NamedTuple):
    """A question with what the main system answered and what became of it."""

    question: Question
    row: Row
    outcome: Outcome


def page(
    title: str,
    questions: Sequence[Question],
    runs: Sequence[Run],
    summaries: Sequence[Summary],
    text_of: TextOf,
    main: str,
    more: Sequence[Grid] = (),
) -> str:
    """The page. `summaries` are those of `runs`, in the same order; `main` is the system told about question by
    question; `more` are further tables, as of a comparison. Nothing of a question or a document becomes markup.
    """
    body = [f"<h1>{escape(title)}</h1>", _facts(runs)]
    body += [_section(grid, main) for grid in (*grids(summaries), *more)]
    body += [f'<h2>Plots</h2><div class="plots">{_plots(questions, runs, summaries, main)}</div>']
    body += [f"<h2>How to read it</h2>{_terms(LEGEND.items())}"]
    body += [_questions(questions, runs, text_of, main)]
    return webpage(title, "".join(body), _STYLE)


def _facts(runs: Iterable[Run]) -> str:
    """What the runs say of themselves; what all say is said once."""
    lines: dict[str, list[str]] = {}
    for run in runs:
        told = " · ".join(f"<b>{escape(name)}</b> {escape(value)}" for name, value in run.facts.items())
        lines.setdefault(told, []).append(run.system)
    said = (f"{escape(', '.join(systems))}: {told}" for told, systems in lines.items() if told)
    return f'<details class="facts"><summary>What was asked of what</summary><p>{"<br>".join(said)}</p></details>'


def _section(grid: Grid, main: str) -> str:
    rows = [[*map(_cell, row)] for row in grid.rows]
    return f"<h2>{escape(grid.title)}</h2>{table(grid.columns, rows, main, WORDS)}"


def _cell(cell: Cell) -> str | Aside:
    if isinstance(cell, Interval):
        return Aside(f"{cell.mean:.3f}", f"{cell.low:.3f} to {cell.high:.3f}" if cell.low < cell.high else "")
    return cell


def _plots(questions: Sequence[Question], runs: Sequence[Run], summaries: Sequence[Summary], main: str) -> str:
    """The main system has the first colour."""
    numbered = dict(enumerate(sorted(zip(runs, summaries, strict=True), key=lambda one: one[0].system != main)))
    names = {number: run.system for number, (run, _) in numbered.items()}
    figures = []
    curves = {number: recall_curve(questions, run) for number, (run, _) in numbered.items()}
    if curves := {number: curve for number, curve in curves.items() if curve}:
        figures.append(_figure("Recall in the first k", plots.recall(curves), names))
    told = {number: one.confidence for number, (_, one) in numbered.items() if one.confidence}
    if first := told.get(0):
        figures.append(_figure(f"Reliability of {main}: ECE {first.ece:.3f}", plots.reliability(first.bins), {}))
    if told:
        figures.append(_figure("Error over coverage; dots: the service's threshold", plots.coverage(told), names))
    totals = {
        number: [one for row in run.rows if (one := row.milliseconds.get("total"))]
        for number, (run, _) in numbered.items()
    }
    if totals := {number: taken for number, taken in totals.items() if taken}:
        figures.append(_figure("Latency", plots.latency(totals), names))
    return "".join(figures)


def _figure(caption: str, drawn: str, names: Mapping[int, str]) -> str:
    systems = "".join(f"<span>{plots.swatch(number)} {escape(name)}</span>" for number, name in names.items())
    return f"<figure><figcaption><b>{escape(caption)}</b>{systems}</figcaption>{drawn}</figure>"


def _questions(questions: Sequence[Question], runs: Sequence[Run], text_of: TextOf, main: str) -> str:
    """The worst outcome first, and of each the surest answers first."""
    run = next(run for run in runs if run.system == main)
    told = [_Told(question, row, outcome(question, row)) for question, row in asked(questions, run)]
    told.sort(key=lambda one: (OUTCOMES.index(one.outcome), 0 if isnan(one.row.confidence) else -one.row.confidence))
    counts = Counter(one.outcome for one in told)
    others = {other.system: {row.question_id: row for row in other.rows} for other in runs}
    parts, last = [f"<h2>Questions, as {escape(main)} answers them</h2>"], None
    if len(told) > QUESTIONS:
        parts.append(f"<p>The first {QUESTIONS:,} of {len(told):,}; {len(told) - QUESTIONS:,} are left out.</p>")
    for one in told[:QUESTIONS]:
        if one.outcome != last:
            parts.append(f"<h3>{_SAID[one.outcome]}: {counts[one.outcome]:,}</h3>")
            last = one.outcome
        rows = {system: rows[one.question.id] for system, rows in others.items() if one.question.id in rows}
        parts.append(_question(one, rows, text_of))
    return "".join(parts)


def _question(told: _Told, rows: dict[str, Row], text_of: TextOf) -> str:
    question, row, _ = told
    passages = "".join(_passage(question, rank, one, text_of) for rank, one in enumerate(row.passages[:SHOWN], 1))
    systems = table(
        ("system", "first right", "confidence", "answered"),
        [
            (system, str(right_rank(question, one) or NONE), _sure(one), "yes" if one.answerable else "no")
            for system, one in rows.items()
        ],
    )
    return (
        f'<details><summary><span dir="auto">{escape(question.question)}</span> '
        f"<small>{escape(question.id)} · confidence {_sure(row)}{_found(question, row)}</small></summary>"
        f"<div>{_about(question, row)}{systems}{passages or '<p>No passage was returned.</p>'}</div></details>"
    )


def _found(question: Question, row: Row) -> str:
    """Where the answer is, unless it is where it should be."""
    rank = right_rank(question, row)
    if rank == 1 or not question.answerable:
        return ""
    return f" · right at {rank}" if rank else " · right nowhere"


def _sure(row: Row) -> str:
    return NONE if isnan(row.confidence) else f"{row.confidence:.2f}"


def _about(question: Question, row: Row) -> str:
    """What was asked, and what would be right."""
    said = [("Kind", question.kind), *(("Asked before", one) for one in question.history)]
    if row.effective_question != question.question:
        said.append(("Searched for", row.effective_question))
    said += [("Answer", f"{gold.text}\n({gold.document}, {gold.start}–{gold.end})") for gold in question.gold]
    right = [f"{name} ({grade})" for name, grade in question.relevant.items() if grade > 0]
    said += [
        ("Relevant", "\n".join(right)),
        ("", "" if question.answerable else "The documents do not hold the answer."),
    ]
    return _terms((name, text) for name, text in said if text)


def _terms(said: Iterable[tuple[str, str]]) -> str:
    shown = "".join(f'<dt>{escape(name)}</dt><dd dir="auto">{escape(text)}</dd>' for name, text in said)
    return f"<dl>{shown}</dl>"


def _passage(question: Question, rank: int, passage: Returned, text_of: TextOf) -> str:
    right = relevant(question, passage)
    start, end = passage.span
    text = text_of(passage.document, start, end) if end > start else ""
    golds = [Span(gold.start, gold.end) for gold in question.gold if gold.document == passage.document]
    place = escape(passage.document) + (f", {start}–{end}" if end > start else "")
    return (
        f'<div class="passage{" right" if right else ""}">'
        f'<p class="place">{rank}. {"<b>✓ right</b> " if right else ""}{place} · score {passage.score:.4g}</p>'
        f'<blockquote dir="auto">{highlighted(text, start, passage.marks, golds)}</blockquote></div>'
    )


def highlighted(text: str, start: int, marks: Sequence[Span], golds: Sequence[Span]) -> str:
    """A passage's text, which begins at `start` of the document, with its marks and the gold underlined."""
    end = start + len(text)
    cuts = {min(max(cut, start), end) for span in (*marks, *golds) for cut in span} | {start, end}
    places = sorted(cuts)
    parts = []
    for left, right in pairwise(places):
        piece = escape(text[left - start : right - start])
        if any(span.start <= left and right <= span.end for span in golds):
            piece = f"<u>{piece}</u>"
        if any(span.start <= left and right <= span.end for span in marks):
            piece = f"<mark>{piece}</mark>"
        parts.append(piece)
    return "".join(parts)
