"""`qa eval`: ask the questions of eval sets, judge the answers, compare, report."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import index
import qa
from eval import report, store, trec, wanted
from eval.calibrate import calibrate
from eval.compare import Comparison, compare, primary
from eval.dataset import EvalSet, Question
from eval.formats.lines import load
from eval.library import opened, placed, text_of
from eval.metrics import Summary, lower_is_better, summarise, values
from eval.page import page
from eval.run import Run
from eval.systems import DEPTH, SYSTEMS, Asker, System
from index.errors import QAError
from qa.config import settings
from qa.eval_set import lines
from qa.wire import Library, fingerprint, open_library

FEEDBACK = "feedback"
"""The set of what people said of passages."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted besides the tables; `systems`: all, where none is named; `fail_under`: `METRIC=VALUE` each."""

    systems: tuple[str, ...] = ()
    folder: Path | None = None
    data: Path | None = None
    limit: int | None = None
    depth: int = DEPTH
    save: Path | None = None
    compare: tuple[Path, ...] = ()
    fail_under: tuple[str, ...] = ()
    trec: Path | None = None
    html: Path | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A set with its questions as they were asked, the runs, and their summaries in the same order."""

    name: str
    questions: tuple[Question, ...]
    runs: tuple[Run, ...]
    summaries: tuple[Summary, ...]


def run(names: Sequence[str], options: Options) -> bool:
    """Whether nothing fell below what was asked for. Raises UsageError before any question is asked, and QAError."""
    chosen = list(names) or ["seeds"]
    bounds = wanted.bounds(options.fail_under)
    wanted.systems(options.systems)
    sets = wanted.sets([name for name in chosen if name != FEEDBACK], options.folder)
    sets += [_feedback(options.data)] if FEEDBACK in chosen else []
    baselines = list[dict[str, Run]]()
    for one in sets:
        wanted.check_bounds(bounds, one, options.limit)
        baselines.append({str(file): wanted.baseline(file, one, options.limit) for file in options.compare})
    for folder in (options.save, options.trec, options.html):
        if folder:
            wanted.made(folder)
    good, told = True, dict[str, object]()
    for one, given in zip(sets, baselines, strict=True):
        with measuring(one, options) as (measured, library):
            comparisons = compared(measured, given)
            _write(measured, comparisons, library, options)
            good &= _tell(measured, comparisons, bounds, options, told)
    if options.as_json:
        typer.echo(json.dumps(told, indent=2, allow_nan=False))
    return good


def calibrated(name: str, data: Path | None) -> str:
    """Fit confidence to the user's own library; what came of it. Raises UsageError and QAError."""
    eval_set = _feedback(data) if name == FEEDBACK else wanted.sets([name], None)[0]
    return calibrate(eval_set, data)


def _feedback(data: Path | None) -> EvalSet:
    """What people said of passages in the user's own library. Raises QAError where they said nothing of use."""
    library = open_library(settings(data=data))
    try:
        told = lines(library.catalogue.feedback.standing())
    finally:
        library.close()
    if not told:
        raise QAError("there is no feedback yet", "POST /feedback stores what people say of passages.")
    with tempfile.TemporaryDirectory(prefix="qa-eval-") as folder:
        file = Path(folder) / "feedback.jsonl"
        file.write_text(told, encoding="utf-8")
        return EvalSet(FEEDBACK, load(file), None)


def measure(eval_set: EvalSet, options: Options) -> Measured:
    """Ask every question in every system. What was asked before an interruption is not asked again."""
    with measuring(eval_set, options) as (measured, _):
        return measured


@contextmanager
def measuring(eval_set: EvalSet, options: Options) -> Iterator[tuple[Measured, Library]]:
    """The same, with the library that was asked."""
    systems = [SYSTEMS[name] for name in wanted.systems(options.systems)]
    console = Console(stderr=True)
    with _progress(console) as progress:
        indexing = progress.add_task(f"{eval_set.name}: indexing", total=None)

        def indexed(done: int, of: int) -> None:
            progress.update(indexing, completed=done, total=of or None)

        library = opened(eval_set, settings(data=options.data), indexed)
    try:
        questions = placed(eval_set.questions[: options.limit], library)
        runs = list[Run]()
        with _progress(console) as progress:
            for system in systems:
                bar = progress.add_task(f"{eval_set.name}: {system.name}", total=len(questions))
                step = partial(progress.advance, bar)
                runs.append(_run(eval_set, questions, system, library, options, step))
                progress.remove_task(bar)
        yield Measured(eval_set.name, questions, tuple(runs), tuple(summarise(questions, one) for one in runs)), library
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on from here.")
        raise
    finally:
        library.close()


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def _run(
    eval_set: EvalSet,
    questions: tuple[Question, ...],
    system: System,
    library: Library,
    options: Options,
    step: Callable[[], object],
) -> Run:
    """Each answer is written down before the next question is asked; a whole run goes where `--save` says."""
    facts = _facts(questions, system, library) | {"depth": str(options.depth)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    file = library.settings.cache / "eval" / "runs" / f"{digest}.jsonl"
    rows = store.going_on(file, eval_set.name, system.name, facts)
    for _ in rows:
        step()
    done = {row.question_id for row in rows}
    for row in store.kept(
        file, Asker(library, system, options.depth).ask([one for one in questions if one.id not in done])
    ):
        rows.append(row)
        step()
    run = Run(eval_set.name, system.name, facts, tuple(rows))
    if options.save:
        store.save(options.save / f"{_file_name(eval_set.name)}.{system.name}.jsonl", run)
    file.unlink(missing_ok=True)
    return run


def _facts(questions: Sequence[Question], system: System, library: Library) -> dict[str, str]:
    """All that the answers depend on."""
    asked = json.dumps([[one.id, one.question, one.history] for one in questions])
    return {
        "questions": hashlib.sha256(asked.encode()).hexdigest(),
        "documents": library.catalogue.stamp().token,
        "mode": system.mode,
        "ranking": json.dumps(asdict(system.ranking)),
        "version": version("chapter-verse"),
        "code": _code(),
        **fingerprint(library.settings),
        "calibration": library.catalogue.calibration.text() or "",
        "reranker": f"{library.settings.reranker} {library.settings.rerank_top} {library.settings.rerank_ms}",
        "reader": library.settings.reader,
    }


def _code() -> str:
    """SHA-256 of the program, so that an interrupted run is not gone on with by another one."""
    digest = hashlib.sha256()
    for package in (index, qa):
        for file in sorted(Path(package.__path__[0]).rglob("*")):
            if file.suffix in (".py", ".json"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def compared(measured: Measured, baselines: Mapping[str, Run]) -> dict[str, Comparison]:
    """The main system with the baselines, or where there are none with the other systems, by name."""
    decisive, judged = primary(measured.questions), values(measured.questions, measured.runs[-1])
    others = baselines or {run.system: run for run in measured.runs[:-1]}
    return {
        name: compare(values(measured.questions, run), judged, decisive)
        for name, run in others.items()
        if baselines or judged.get(decisive)
    }


def _write(measured: Measured, comparisons: Mapping[str, Comparison], library: Library, options: Options) -> None:
    """The files that were asked for."""
    name = _file_name(measured.name)
    if options.trec:
        trec.write_qrels(options.trec / f"{name}.qrels", measured.questions)
        for run in measured.runs:
            trec.write_run(options.trec / f"{name}.{run.system}.run", measured.questions, run)
    if options.html:
        written = page(
            f"{measured.name}: how well it finds",
            measured.questions,
            measured.runs,
            measured.summaries,
            text_of(library),
            main=measured.runs[-1].system,
            more=report.comparisons(comparisons, measured.runs[-1].system, measured.questions),
        )
        (options.html / f"{name}.html").write_text(written, encoding="utf-8")


def _tell(
    measured: Measured,
    comparisons: Mapping[str, Comparison],
    bounds: Mapping[str, float],
    options: Options,
    told: dict[str, object],
) -> bool:
    """Print, or add to what will be printed as JSON; whether all that was asked for was reached."""
    numbers = measured.summaries[-1].flat()
    missed = [said for name, bound in bounds.items() if (said := _missed(name, numbers.get(name), bound))]
    if options.compare:
        main = measured.runs[-1].system
        worse = [(name, one.primary) for name, one in comparisons.items() if one.regressed]
        missed += [f"{main} is significantly worse than {name} by {decisive}" for name, decisive in worse]
    if options.as_json:
        told[measured.name] = report.as_json(measured.summaries, comparisons) | {"missed": missed}
    else:
        _print(measured, comparisons)
    for said in missed:
        typer.secho(f"{measured.name}: {said}", err=True, fg="red")
    return not missed


def _missed(name: str, value: float | None, bound: float) -> str:
    """What is to be said of a bound that was not reached; else nothing."""
    if value is None:
        return f"{name} could not be measured"
    lower = lower_is_better(name)
    if value > bound if lower else value < bound:
        return f"{name} is {value:.4f}, {'above' if lower else 'below'} {bound:g}"
    return ""


def _print(measured: Measured, comparisons: Mapping[str, Comparison]) -> None:
    console = Console(width=max(Console().width, 130))
    console.print(f"{measured.name}: {len(measured.questions):,} questions\n", style="bold", markup=False)
    for grid in report.grids(measured.summaries):
        console.print(report.table(grid))
        console.print()
    for grid in report.comparisons(comparisons, measured.runs[-1].system, measured.questions):
        console.print(report.table(grid))
        console.print()
    console.print(f"{report.legend()}\n", style="dim", markup=False, highlight=False)


def _file_name(set_name: str) -> str:
    return set_name.replace("/", "-")
