"""`qa eval`: ask the questions of eval sets, judge the answers, compare, report."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import index
import qa
from eval import report, store, trec
from eval.calibrate import calibrate
from eval.compare import Comparison, compare, primary
from eval.dataset import EvalSet, Question
from eval.formats import open_set
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


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted besides the tables; `systems`: all, where none is named; `fail_under`: the least of a measure."""

    systems: tuple[str, ...] = ()
    folder: Path | None = None
    data: Path | None = None
    limit: int | None = None
    depth: int = DEPTH
    save: Path | None = None
    compare: tuple[Path, ...] = ()
    fail_under: Mapping[str, float] = field(default_factory=dict)
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


def bounds(given: Sequence[str]) -> dict[str, float]:
    """`METRIC=VALUE` of the command line. Raises QAError."""
    found = {}
    for one in given:
        name, _, value = one.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise QAError(f"{one!r} is not METRIC=VALUE", "As in --fail-under R@1=0.8") from None
    return found


def run(names: Sequence[str], options: Options) -> bool:
    """Whether nothing fell below what was asked for. Raises QAError."""
    good = True
    told = dict[str, object]()
    for name in names or ["seeds"]:
        eval_set = _feedback(options) if name == "feedback" else open_set(name, options.folder)
        measured = measure(eval_set, options)
        good &= _tell(measured, options, told)
    if options.as_json:
        typer.echo(json.dumps(told, indent=2, allow_nan=False))
    return good


def calibrated(name: str, data: Path | None) -> str:
    """Fit confidence to the user's own library; what came of it. Raises QAError."""
    eval_set = _feedback(Options(data=data)) if name == "feedback" else open_set(name, None)
    return calibrate(eval_set, data)


def _feedback(options: Options) -> EvalSet:
    """What people said of passages in the user's own library. Raises QAError where they said nothing of use."""
    library = open_library(settings(data=options.data))
    try:
        told = lines(library.catalogue.feedback.standing())
    finally:
        library.close()
    if not told:
        raise QAError("there is no feedback yet", "POST /feedback stores what people say of passages.")
    with tempfile.TemporaryDirectory(prefix="qa-eval-") as folder:
        file = Path(folder) / "feedback.jsonl"
        file.write_text(told, encoding="utf-8")
        return EvalSet("feedback", load(file), None)


def measure(eval_set: EvalSet, options: Options) -> Measured:
    """Ask every question in every system. What was asked before an interruption is not asked again."""
    configured = settings(data=options.data)
    names = options.systems or tuple(SYSTEMS)
    for name in names:
        if name not in SYSTEMS:
            raise QAError(f"there is no system {name}", f"Choose of {', '.join(SYSTEMS)}.")
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        indexing = progress.add_task(f"{eval_set.name}: indexing", total=None)

        def indexed(done: int, of: int) -> None:
            progress.update(indexing, completed=done, total=of or None)

        library = opened(eval_set, configured, indexed)
        progress.remove_task(indexing)
        try:
            questions = placed(eval_set.questions[: options.limit], library)
            runs = list[Run]()
            for system in (SYSTEMS[name] for name in names):
                bar = progress.add_task(f"{eval_set.name}: {system.name}", total=len(questions))
                step = partial(progress.advance, bar)
                runs.append(_run(eval_set, questions, system, library, options, step))
                progress.remove_task(bar)
            measured = Measured(eval_set.name, questions, tuple(runs), tuple(summarise(questions, one) for one in runs))
            _write(measured, library, options)
            return measured
        except KeyboardInterrupt:
            console.print("Interrupted. The same command goes on from here.")
            raise
        finally:
            library.close()


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
        "calibration": library.catalogue.calibration() or "",
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


def _write(measured: Measured, library: Library, options: Options) -> None:
    """The files that were asked for."""
    name = _file_name(measured.name)
    if options.trec:
        options.trec.mkdir(parents=True, exist_ok=True)
        trec.write_qrels(options.trec / f"{name}.qrels", measured.questions)
        for run in measured.runs:
            trec.write_run(options.trec / f"{name}.{run.system}.run", measured.questions, run)
    if options.html:
        options.html.mkdir(parents=True, exist_ok=True)
        written = page(
            f"{measured.name}: how well it finds",
            measured.questions,
            measured.runs,
            measured.summaries,
            text_of(library),
            main=measured.runs[-1].system,
        )
        (options.html / f"{name}.html").write_text(written, encoding="utf-8")


def _tell(measured: Measured, options: Options, told: dict[str, object]) -> bool:
    """Print, or add to what will be printed as JSON; whether all that was asked for was reached."""
    main, best = measured.runs[-1], measured.summaries[-1]
    baselines = {str(file): _baseline(file, measured) for file in options.compare}
    if not baselines:
        baselines = {run.system: run for run in measured.runs[:-1]}
    decisive, judged = primary(measured.questions), values(measured.questions, main)
    comparisons = {
        name: compare(values(measured.questions, run), judged, decisive)
        for name, run in baselines.items()
        if options.compare or judged.get(decisive)
    }
    missed = [
        f"{name} is {best.flat()[name]:.4f}, {'above' if lower_is_better(name) else 'below'} {least:g}"
        for name, least in options.fail_under.items()
        if _misses(_known(best, name), least, lower_is_better(name))
    ]
    worse = [name for name, one in comparisons.items() if options.compare and one.regressed]
    missed += [f"{main.system} is significantly worse than {name} by {decisive}" for name in worse]
    if options.as_json:
        told[measured.name] = report.as_json(measured.summaries, comparisons) | {"missed": missed}
    else:
        _print(measured, comparisons)
    for one in missed:
        typer.secho(f"{measured.name}: {one}", err=True, fg="red")
    return not missed


def _print(measured: Measured, comparisons: Mapping[str, Comparison]) -> None:
    console = Console(width=max(Console().width, 130))
    console.print(f"{measured.name}: {len(measured.questions):,} questions\n", style="bold", markup=False)
    for grid in report.grids(measured.summaries):
        console.print(report.table(grid))
        console.print()
    main = measured.runs[-1].system
    for name, found in comparisons.items():
        console.print(report.table(report.comparison(found, name, main)))
        console.print()
    for found in list(comparisons.values())[-1:]:
        console.print(report.table(report.changed(found, measured.questions)))
    console.print(f"\n{report.legend()}\n", style="dim", markup=False, highlight=False)


def _baseline(file: Path, measured: Measured) -> Run:
    """A run that was saved, or a TREC run file of any tool."""
    if file.suffix == ".jsonl":
        return store.load(file)
    return trec.read_run(file, measured.questions, measured.name)


def _known(best: Summary, name: str) -> float:
    numbers = best.flat()
    if name not in numbers:
        raise QAError(f"there is no measure {name}", f"Choose of {', '.join(numbers)}.")
    return numbers[name]


def _misses(value: float, bound: float, lower_is_better: bool) -> bool:
    return value > bound if lower_is_better else value < bound


def _file_name(set_name: str) -> str:
    return set_name.replace("/", "-")
