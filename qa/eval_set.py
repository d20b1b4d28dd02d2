"""Feedback as an eval set in JSON Lines: what people said of passages measures the search that found them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from index.feedback import Standing

MEDIA_TYPE = "application/jsonl"


def lines(judged: Iterable[Standing]) -> str:
    """A line for each question, in ASCII: some readers take other characters than "\\n" for the end of a line."""
    return "".join(f"{json.dumps(question)}\n" for question in questions(judged))


def questions(judged: Iterable[Standing]) -> Iterator[dict[str, object]]:
    """The questions with what answers them, as `eval` reads them; those asked after other questions stand apart.

    Every passage that helped is gold, where it stands now. A question without any is unanswerable, when it was said
    that nothing answers it; that holds for the documents of then. What was said of one passage last counts.

    Left out are questions of which only passages that do not help are known, since an eval set cannot say so, and those
    whose passages that helped have gone from the text.
    """
    asked: dict[tuple[str, tuple[str, ...]], list[Standing]] = {}
    for one in judged:
        asked.setdefault((one.judgement.question, one.judgement.history), []).append(one)
    for (question, history), about in asked.items():
        last = _last(about)
        gold = [_gold(one) for one in last if one.judgement.helpful and one.span]
        helped = any(one.judgement.helpful for one in last)
        if gold or (not helped and any(one.judgement.passage is None for one in last)):
            name = hashlib.sha256(json.dumps([question, history]).encode()).hexdigest()[:16]
            yield {
                "id": f"feedback-{name}",
                "question": question,
                "history": list(history),
                "kind": "feedback",
                "gold": gold,
            }


def counted(judged: Sequence[Standing]) -> dict[str, int]:
    """How much was said, and how much of it the eval set has."""
    said = [one.judgement for one in judged]
    made = list(questions(judged))
    return {
        "helpful": sum(one.helpful for one in said),
        "not_helpful": sum(not one.helpful and one.passage is not None for one in said),
        "nothing_helps": sum(one.passage is None for one in said),
        "no_longer_in_the_text": sum(one.judgement.passage is not None and one.span is None for one in judged),
        "questions": len({(one.question, one.history) for one in said}),
        "answerable": sum(bool(one["gold"]) for one in made),
        "unanswerable": sum(not one["gold"] for one in made),
    }


def _last(about: Sequence[Standing]) -> list[Standing]:
    """The last of each place: a passage that has moved may have been judged before and after."""
    places: dict[object, Standing] = {}
    for one in about:
        passage = one.judgement.passage
        places[(passage.document_id, one.span) if passage and one.span else one.judgement.id] = one
    return list(places.values())


def _gold(one: Standing) -> dict[str, object]:
    assert one.span
    assert one.judgement.passage
    start, end = one.span
    return {"document": one.document, "start": start, "end": end, "text": one.judgement.passage.quote}
