"""Judgements by overlap with the gold spans, so that labels stay valid however documents are cut; measures by
ir-measures (trec_eval) and scikit-learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import ir_measures
from ir_measures import RR, R, nDCG
from sklearn.metrics import roc_auc_score

from eval.dataset import Gold
from index.types import Span

RETRIEVAL = {"R@1": R @ 1, "R@3": R @ 3, "RR": RR, "nDCG@10": nDCG @ 10}
"""Measures of a ranking, by the names that ir-measures gives them; RR is the reciprocal rank whose mean is MRR."""


def holds(span: Span, gold: Gold) -> bool:
    """Does a stretch of the gold's document hold at least half of the gold's characters?"""
    shared = min(span.end, gold.end) - max(span.start, gold.start)
    return 2 * shared >= gold.end - gold.start


def retrieval(relevant: Mapping[str, Collection[str]], ranked: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Mean over questions. `relevant` and `ranked` map a question's id to passage ids, the latter best first.

    A question has one answer, which may stand in several passages: the first of them found stands for all.
    """
    qrels = [ir_measures.Qrel(question, _ANSWER, 1) for question in relevant]
    run = [
        ir_measures.ScoredDoc(question, passage, 1.0 / rank)
        for question, ids in ranked.items()
        for rank, passage in enumerate(_with_answer(ids, relevant[question]), 1)
    ]
    values = ir_measures.calc_aggregate(list(RETRIEVAL.values()), qrels, run)
    return {name: float(values[measure]) for name, measure in RETRIEVAL.items()}


_ANSWER = "the answer"


def _with_answer(ids: Sequence[str], relevant: Collection[str]) -> list[str]:
    """A ranking in which the first relevant passage is called the answer and the other relevant ones are left out."""
    first = next((passage for passage in ids if passage in relevant), None)
    return [_ANSWER if passage == first else passage for passage in ids if passage == first or passage not in relevant]


def auroc(answerable: Sequence[bool], confidence: Sequence[float]) -> float:
    """Probability that an answerable question gets more confidence than another; .5 is chance."""
    return float(roc_auc_score(list(answerable), list(confidence)))
