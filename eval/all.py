"""The evaluation's numbers on the public sets: `make eval-all`, which writes eval/RESULTS.md.

Half an hour on two cores, and the first time as long again for indexing the sets.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from eval.bench.report import Section, text
from eval.bench.speed import Row as Numbers
from eval.command import Measured, Options, measure
from eval.dataset import EvalSet, Question, Texts
from eval.formats import open_set
from eval.metrics import summarise
from eval.run import Returned, Row, Run

RESULTS = Path(__file__).with_name("RESULTS.md")
RANKED = ("squad_a", "nq_mini", "scifact", "cran", "med", "cacm", "xquad/es", "xquad/zh", "doc2dial", "seeds")
SYSTEMS = ("bm25", "dense", "fused", "hybrid")
SHALLOW = 20
"""Passages asked for where no more are judged; the first ones are the same."""
DRAWN = 500
"""Questions about something else that are asked besides a set's own."""
UNRELATED = 3
"""Earlier questions, about something else, before a question that stands by itself."""
_SEED = 0

Rows: TypeAlias = list[Numbers]
Ranked: TypeAlias = Mapping[str, Measured]
"""The sets with all systems on their answerable questions."""


def main(
    sets: Annotated[list[str] | None, typer.Argument(help="Only these sets.")] = None,
    most: Annotated[int | None, typer.Option(help="Ask only so many questions of each.")] = None,
) -> None:
    console, began = Console(stderr=True), datetime.now(UTC)
    chosen = [name for name in RANKED if name in sets] if sets else list(RANKED)
    sections = list[Section]()
    ranked = dict[str, Measured]()
    for name in chosen:
        console.print(f"ranking of {name}")
        ranked[name] = _rank(name, most)
    for make in (_ranking, _marks, _confidence, _followups):
        console.print(make.__name__.strip("_"))
        sections.append(make(ranked, most))
    told = "\n".join(f"## {one.name}\n\n{one.aim}\n\n{text(one)}\n" for one in sections if one.rows)
    minutes = (datetime.now(UTC) - began).total_seconds() / 60
    head = f"# Results\n\nWritten by `make eval-all` on {began.date().isoformat()}, in {minutes:.0f} minutes.\n\n"
    typer.echo(told)
    if not sets and not most:
        RESULTS.write_text(head + told, encoding="utf-8")


def minmax(sparse: Run, dense: Run) -> Run:
    """What plain min-max fusion with equal weights makes of both legs' rankings: the reference."""
    rows = [_minmax(words, meaning) for words, meaning in zip(sparse.rows, dense.rows, strict=True)]
    return Run(sparse.set_name, "min-max", {}, tuple(rows))


def _minmax(words: Row, meaning: Row) -> Row:
    fused: dict[tuple[str, int, int], float] = {}
    for leg in (words, meaning):
        scores = [one.score for one in leg.passages]
        lowest, highest = min(scores, default=0.0), max(scores, default=0.0)
        for one in leg.passages:
            place = (one.document, *one.span)
            scaled = (one.score - lowest) / (highest - lowest) if highest > lowest else 1.0
            fused[place] = fused.get(place, 0.0) + 0.5 * scaled
    known = {(one.document, *one.span): one for leg in (words, meaning) for one in leg.passages}
    ranked = sorted(fused, key=lambda place: (-fused[place], place))
    passages = tuple(Returned(known[place].document, known[place].span, fused[place], ()) for place in ranked)
    return replace(words, passages=passages, confidence=float("nan"), milliseconds={})


def _rank(name: str, most: int | None) -> Measured:
    eval_set = _answerable(open_set(name, None))
    if name == "doc2dial":  # questions that stand by themselves; conversations have a table of their own
        eval_set = replace(eval_set, questions=tuple(one for one in eval_set.questions if not one.history))
    return measure(eval_set, Options(SYSTEMS, limit=most))


def _ranking(ranked: Ranked, _: int | None) -> Section:
    rows = Rows()
    for name, measured in ranked.items():
        found = {run.system: one for run, one in zip(measured.runs, measured.summaries, strict=True)}
        found["min-max"] = summarise(measured.questions, minmax(measured.runs[0], measured.runs[1]))
        for system in ("bm25", "dense", "min-max", "fused", "hybrid"):
            one = found[system]
            numbers = {key: f"{one.measures[key].mean:.3f}" for key in _SHOWN if key in one.measures}
            low, high = one.measures["nDCG@10"].low, one.measures["nDCG@10"].high
            interval = {"nDCG@10, 95 %": f"{low:.3f} to {high:.3f}"}
            rows.append({"set": name, "questions": one.answerable, "system": system, **numbers, **interval})
    return Section(
        "Ranking",
        "By document where documents are judged, by gold span for `seeds`. `fused`: both legs on scales of their own; "
        "`hybrid`: with sentences and feedback, as the service ranks; `min-max`: plain min-max fusion with equal "
        "weights, the reference. R@k is over all relevant documents, of which cran, med and cacm have many.",
        rows,
    )


_SHOWN = ("nDCG@10", "R@1", "R@5", "R@10", "R@100", "RR@10")


def _marks(ranked: Ranked, most: int | None) -> Section:
    rows = Rows()
    for name in (one for one in ranked if one in ("squad_a", "nq_mini", "xquad/es", "seeds")):
        rows.append(_marked(name, "with titles" if name != "xquad/es" else "without titles", ranked[name]))
        eval_set = _answerable(open_set(name, None))
        if isinstance(eval_set.corpus, Texts) and name != "xquad/es":
            bare = replace(eval_set, corpus=_without_titles(eval_set.corpus))
            rows.append(_marked(name, "without titles", measure(bare, Options(("hybrid",), limit=most, depth=SHALLOW))))
    return Section(
        "The marked sentence",
        "Of the questions with a right passage among the first ten, those whose answer stands in what is marked in the "
        "first right one: a sentence, or two adjacent ones. The share is that of the first passage's characters.",
        rows,
    )


def _marked(name: str, documents: str, measured: Measured) -> Numbers:
    told, run = measured.summaries[-1], measured.runs[-1]
    first = [row.passages[0] for row in run.rows if row.passages]
    lengths = [mark.end - mark.start for passage in first for mark in passage.marks]
    marked = told.measures["marked"]
    return {
        "set": name,
        "documents": documents,
        "of questions": told.marked_of,
        "marked": f"{marked.mean:.3f}",
        "95 %": f"{marked.low:.3f} to {marked.high:.3f}",
        "share of the passage": f"{sum(lengths) / sum(one.span.end - one.span.start for one in first):.2f}",
    }


def _confidence(ranked: Ranked, most: int | None) -> Section:
    rows = Rows()
    for name in (one for one in ranked if one in _ELSEWHERE):
        eval_set, chance = open_set(name, None), random.Random(_SEED)
        own = [one for one in eval_set.questions if not one.history]
        questions = [one for kind in (True, False) for one in _drawn([q for q in own if q.answerable == kind], chance)]
        if other := _ELSEWHERE[name]:
            drawn = _drawn(_answerable(open_set(other, None)).questions, chance)
            questions += [Question(f"off-{one.id}", one.question, "off") for one in drawn]
        options = Options(("bm25", "dense", "hybrid"), limit=most, depth=SHALLOW)
        for one in measure(replace(eval_set, questions=tuple(questions)), options).summaries:
            flat = one.flat()
            numbers = {key: f"{flat[key]:.3f}" if key in flat else "–" for key in _TOLD}
            others = one.questions - one.answerable
            rows.append({"set": name, "system": one.system, "answerable": one.answerable, "others": others, **numbers})
    return Section(
        "Confidence",
        f"At most {DRAWN} each of a set's answerable questions, its near-misses, and another set's questions, about "
        "something else. kept, refused: answerable questions called so, others called not so, at the threshold. "
        "error: of what is answered, the share whose first passage is wrong. ECE depends on the mixture, here a third "
        "each where a set has near-misses; `make calibrate` tells it for the mixture that confidence is fitted to.",
        rows,
    )


_ELSEWHERE = {
    "squad_a": "nq_mini",
    "nq_mini": "squad_a",
    "scifact": "nq_mini",
    "cran": "nq_mini",
    "med": "nq_mini",
    "xquad/es": "nq_mini",
    "doc2dial": "nq_mini",
    "seeds": None,
}
"""The set whose questions are about something else."""


def _drawn(questions: Sequence[Question], chance: random.Random) -> list[Question]:
    return chance.sample(questions, min(DRAWN, len(questions)))


_TOLD = ("AUROC off", "AUROC near", "ECE", "kept", "refused", "coverage", "error")


def _followups(ranked: Ranked, most: int | None) -> Section:
    rows = Rows()
    if "doc2dial" in ranked:
        eval_set = open_set("doc2dial", None)
        later = tuple(one for one in eval_set.questions if one.history)
        for variant, questions in {
            "follow-ups, their history left out": tuple(replace(one, history=()) for one in later),
            "follow-ups with their history": later,
        }.items():
            rows.append(_conversation("doc2dial", variant, replace(eval_set, questions=questions), most))
    if "nq_mini" in ranked:
        eval_set = _answerable(open_set("nq_mini", None))
        chance = random.Random(_SEED)
        words = [one.question for one in eval_set.questions]
        after = tuple(replace(one, history=tuple(chance.sample(words, UNRELATED))) for one in eval_set.questions)
        rows.append(_told_of("nq_mini", "by themselves", ranked["nq_mini"]))
        rows.append(
            _conversation("nq_mini", "after three unrelated questions", replace(eval_set, questions=after), most)
        )
    return Section("Follow-ups", "Earlier questions were asked of the service before, turn by turn.", rows)


def _conversation(name: str, variant: str, eval_set: EvalSet, most: int | None) -> Numbers:
    return _told_of(name, variant, measure(eval_set, Options(("hybrid",), limit=most, depth=SHALLOW)))


def _told_of(name: str, variant: str, measured: Measured) -> Numbers:
    told, run = measured.summaries[-1], measured.runs[-1]
    asked = {one.id: one.question for one in measured.questions}
    carried = sum(row.effective_question != asked[row.question_id] for row in run.rows) / len(run.rows)
    numbers = {key: f"{told.measures[key].mean:.3f}" for key in ("R@1", "R@5")}
    return {"set": name, "questions": variant, "asked": told.answerable, **numbers, "taken over": f"{carried:.3f}"}


def _answerable(eval_set: EvalSet) -> EvalSet:
    return replace(eval_set, questions=tuple(one for one in eval_set.questions if one.answerable))


def _without_titles(texts: Texts) -> Texts:
    return Texts(f"{texts.key}, without titles", lambda: (replace(one, title="") for one in texts.documents()))


if __name__ == "__main__":
    typer.run(main)
