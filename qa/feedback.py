"""Feedback over HTTP: given, taken back, listed, and read as an eval set."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, FastAPI, HTTPException, Query, Request, Response

from index.feedback import Judgement, Place
from qa import documents, eval_set
from qa.examples import FEEDBACK
from qa.replies import ERRORS, NOT_FOUND, FeedbackList, TakenBack
from qa.schemas import NewFeedback
from qa.wire import Library


def install(app: FastAPI, library: Library) -> None:
    replies = NOT_FOUND | {409: {"description": "The document has changed since it was cited"}}

    @app.post("/feedback", status_code=201, responses=replies, tags=["feedback"])
    def give_feedback(request: Annotated[NewFeedback, Body(openapi_examples=FEEDBACK)]) -> Judgement:
        """Say that a passage answers a question or does not, or without a passage that nothing does. What was said
        before of the same passage for the same question and history is forgotten. A `quote` that is not what stands
        there now is refused (409)."""
        place, quote = None, None
        if request.passage:
            documents.found(library, request.passage.document_id)
            place = Place(request.passage.document_id, request.passage.start, request.passage.end)
            quote = request.passage.quote
        history = [turn.question for turn in request.history]
        return library.catalogue.feedback.put(request.question, history, request.helpful, place, quote)

    @app.get(
        "/feedback",
        responses=ERRORS | {200: {"content": {eval_set.MEDIA_TYPE: {"schema": {"type": "string"}}}}},
        tags=["feedback"],
        response_model=FeedbackList,
    )
    def list_feedback(
        request: Request,
        response: Response,
        form: Annotated[Literal["json", "jsonl"] | None, Query(alias="format")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> FeedbackList | Response:
        """What was said, the newest first; as JSON Lines, by `format` or `Accept`, the whole of it as an eval set."""
        response.headers["Vary"] = "Accept"
        if form == "jsonl" or (form is None and eval_set.MEDIA_TYPE in request.headers.get("accept", "").lower()):
            lines = eval_set.lines(library.catalogue.feedback.standing())
            return Response(lines, media_type=eval_set.MEDIA_TYPE, headers={"Vary": "Accept"})
        return FeedbackList(*library.catalogue.feedback.latest(limit, offset))

    @app.delete("/feedback/{feedback_id}", responses=NOT_FOUND, tags=["feedback"])
    def take_back(feedback_id: str) -> TakenBack:
        """Forget what was said."""
        if not library.catalogue.feedback.remove(feedback_id):
            raise HTTPException(404, f"there is no feedback {feedback_id[:100]!r}; GET /feedback lists it")
        return TakenBack(feedback_id)
