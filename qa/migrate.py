"""The command `qa migrate`: everything stored is copied to another place, and both are asked whether they are alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qa.terminal import Data, Json, ModelName, chosen_settings, opened, plain, print_json, progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from index.migrate import Told
    from index.proof import Answers, Contents
    from qa.config import Settings
    from qa.wire import Library

QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was copied, and what the proof found. `left_out` names documents that the target cannot store, and
    `feedback_left_out` counts such judgements; without all documents no question was asked, and `answers` is None.
    `waiting` files of jobs were not taken in yet, and `tokens` is None unless they were asked for."""

    source: str
    target: str
    copied: int
    removed: int
    passes: int
    left_out: tuple[str, ...]
    feedback_left_out: int
    waiting: int
    contents: Contents
    answers: Answers | None
    seconds: float
    tokens: int | None = None

    @property
    def alike(self) -> bool:
        """Whether the target holds, and answers, all that the source does."""
        differences = [*self.contents.differences, *(self.answers.differences if self.answers else ())]
        return not (differences or self.left_out or self.feedback_left_out)


def migrate(
    target: Annotated[str, typer.Argument(help="A folder, or postgresql+psycopg://user:password@host/database.")],
    engine: Annotated[Literal["local", "milvus"], typer.Option(help="What searches there (QA_ENGINE).")] = "local",
    engine_uri: Annotated[str, typer.Option(help="Milvus's address there (QA_ENGINE_URI).")] = "",
    engine_name: Annotated[str | None, typer.Option(help="Its collections' name (QA_ENGINE_NAME).")] = None,
    files: Annotated[str, typer.Option(help="Store of files there (QA_FILES).")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace whatever is stored there.")] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Copy access tokens too, as digests: who has one may use both.")
    ] = False,
    questions: Annotated[int, typer.Option(min=0, help="Questions that both are asked in the end.")] = QUESTIONS,
    data: Data = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """Copy everything stored into a cluster, or back into a folder, and prove that both answer alike.

    Nothing is embedded again. Interrupted, it goes on where it was when it is run again."""
    there = {"engine": engine, "engine_uri": engine_uri, "engine_name": engine_name, "files": files, "model": model}
    with opened(data, model) as source, _target(source.settings, target, there) as copy, progress_bar() as progress:
        outcome = run(source, copy, replace=replace, tokens=tokens, questions=questions, told=_Bars(progress).told)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(outcome) | {"alike": outcome.alike})
    else:
        _tell(outcome)
    if not outcome.alike:
        raise typer.Exit(1)


@contextmanager
def _target(source: Settings, target: str, there: dict[str, str | None]) -> Iterator[Library]:
    """The library to copy to, whatever it was made with before. Raises UsageError when that is the source itself."""
    from tempfile import TemporaryDirectory

    from index.errors import UsageError
    from qa.wire import open_library

    with TemporaryDirectory(prefix="qa-") as local:
        shared = "://" in target
        place = {"catalogue": target, "data": Path(local)} if shared else {"catalogue": "", "data": Path(target)}
        chosen = chosen_settings(**place | there)
        if chosen.catalogue == source.catalogue if shared else chosen.data.resolve() == source.data.resolve():
            raise UsageError("the target is the place that is to be copied", "Name another folder, or database.")
        searched = chosen.engine_uri, chosen.engine_name
        if chosen.engine == source.engine == "milvus" and searched == (source.engine_uri, source.engine_name):
            raise UsageError("both would use the same collections in Milvus", "Name others: --engine-name")
        library = open_library(chosen, make=True, remake=True)
        try:
            yield library
        finally:
            library.close()


def run(
    source: Library,
    target: Library,
    *,
    replace: bool = False,
    tokens: bool = False,
    questions: int = QUESTIONS,
    told: dict[str, Told] | None = None,
) -> Outcome:
    """Copy, compare, and ask; again as long as the source changes meanwhile.

    Raises Conflict when the target holds what is not the source's, or the source does not rest.
    """
    from index.migrate import Migration, unheard
    from index.proof import Comparison, compare_answers

    began = time.monotonic()
    stages = {"Copying": unheard, "Comparing": unheard, "Asking": unheard} | (told or {})
    database = target.catalogue.database
    with database.held(), database.mutex("migrate") if database.shared else nullcontext():
        migration = Migration(source.catalogue, target.catalogue, replace)
        while True:
            stamp = migration.run(stages["Copying"])
            contents = Comparison(source.catalogue, target.catalogue, migration.done).contents(stages["Comparing"])
            answers = None
            if not (contents.differences or migration.done.left_out):
                _weigh_alike(source, target)
                answers = compare_answers(source.searcher, target.searcher, questions, stages["Asking"])
            differing = contents.differences or (answers and answers.differences)
            if not (differing and migration.moved(stamp)):
                break
        copied_tokens = _copy_tokens(source, target) if tokens else None
    done = migration.done
    return Outcome(
        source.place,
        target.place,
        len(done.copied),
        len(done.removed),
        done.passes,
        tuple(sorted(done.left_out.values())),
        len(done.judgements_left_out),
        sum(job.state != "done" for job in source.jobs.recent(1000)),
        contents,
        answers,
        time.monotonic() - began,
        copied_tokens,
    )


def _weigh_alike(source: Library, target: Library) -> None:
    """Have the embedded engine take Milvus's average length of a passage, which is that of when it was filled."""
    by_engine = {one.settings.engine: one for one in (source, target)}
    if len(by_engine) == 2:
        by_engine["local"].weigh_by(by_engine["milvus"].average)


def _copy_tokens(source: Library, target: Library) -> int:
    from qa.access import Access

    ends = [Access(one.settings.data, one.settings.catalogue) for one in (source, target)]
    try:
        return ends[1].take(ends[0].rows())
    finally:
        for one in ends:
            one.close()


class _Bars:
    """A bar for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task("", stage=name, total=None, rate="") for name in _STAGES}
        self.told = {name: self._teller(name) for name in _STAGES}

    def _teller(self, stage: str) -> Told:
        def told(name: str, done: int, of: int) -> None:
            self._progress.update(
                self._tasks[stage], completed=done, total=of, rate=f"{done:,} of {of:,}", description=plain(name)[:40]
            )

        return told


_STAGES = ("Copying", "Comparing", "Asking")


def _tell(outcome: Outcome) -> None:
    contents, answers = outcome.contents, outcome.answers
    typer.echo(
        f"{plain(outcome.source)} to {plain(outcome.target)}: {outcome.copied:,} documents copied, "
        f"{outcome.removed:,} removed, {contents.documents - outcome.copied:,} there already, {outcome.seconds:.1f} s"
    )
    if outcome.tokens is not None:
        typer.echo(f"{outcome.tokens} tokens copied, as digests of their secrets: who has one may now use both.")
    typer.echo(
        f"Compared byte for byte: {contents.documents:,} documents, {contents.passages:,} passages "
        f"({contents.embedded:,} with vectors), {contents.files:,} files, {contents.judgements:,} judgements; "
        f"SHA-256 {contents.digest[:16]}…"
    )
    if answers:
        typer.echo(f"Asked both: {answers.asked:,} questions, {answers.alike:,} answered alike.")
    for difference in (*contents.differences, *(answers.differences if answers else ())):
        typer.secho(plain(difference), fg="red", err=True)
    for name in outcome.left_out:
        typer.secho(f"Left out: {plain(name)} has U+0000 in a text, which PostgreSQL cannot store.", fg="red", err=True)
    if outcome.feedback_left_out:
        typer.secho(f"Left out: {outcome.feedback_left_out} judgements with U+0000.", fg="red", err=True)
    if outcome.left_out:
        typer.echo("No question was asked, since one side holds less.", err=True)
    if contents.differences:
        typer.echo("Run it again with --replace, which copies what differs in any byte.", err=True)
    if outcome.waiting:
        typer.secho(f"{outcome.waiting} uploads are not taken in yet, and not copied.", fg="yellow", err=True)
