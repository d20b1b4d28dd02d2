"""`make bench`: measure, print the tables, write them with plots to a page."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from eval.bench import growth, report, speed
from eval.bench.corpus import drawn, questions, texts
from eval.bench.report import Section
from eval.dataset import public
from index import embed
from index.embed import Embedder
from index.errors import QAError
from index.sentences import sentences
from index.types import Vectors
from qa.config import Settings, settings

ROOT = Path(__file__).parent.parent.parent
PARTS = ("embedding", "bm25", "dense", "search", "cold", "growth")


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Only these of: {', '.join(PARTS)}.")] = None,
    most: Annotated[int, typer.Option(help="Passages of the largest library.")] = 1_000_000,
    folder: Annotated[Path, typer.Option(help="Where the page and the numbers go.")] = ROOT / "bench",
) -> None:
    """Measure how fast it is; everything that is compared is measured in this run."""
    try:
        public("squad_a")
    except QAError as error:
        typer.secho(f"{error.message}. {error.hint}", fg="red", err=True)
        raise typer.Exit(1) from error
    if unknown := set(parts or ()) - set(PARTS):
        raise typer.BadParameter(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    measures = _measures(settings(), most)
    for measure in [one for part in parts or PARTS for one in measures if one.part == part]:
        when = _when()
        section = Section(measure.name, measure.aim, measure.run(), measure.over, measure.drawn, when)
        typer.echo(f"\n## {section.name}\n\n{section.aim}\n\n{report.text(section)}\n\n{section.measured}", color=False)
        _write(folder, section)
    typer.echo(f"\nWritten to {folder / 'report.html'}")


@dataclass(frozen=True, slots=True)
class _Measure:
    """What gives the rows of a section, and the columns that are drawn over which other."""

    part: str
    name: str
    aim: str
    run: Callable[[], list[speed.Row]]
    over: str = ""
    drawn: tuple[str, ...] = ()


def _measures(configured: Settings, most: int) -> list[_Measure]:
    model = embed.load(configured.model, configured.cache)
    source = drawn(model)
    return [
        _Measure(
            "embedding",
            "Embedding",
            "Aim: 3.5 times sentence-transformers in float32, cosine to it at least .999, a question in 2.5 ms.",
            lambda: speed.embedding(configured),
        ),
        _Measure("bm25", "BM25 scores", "Aim: those of rank_bm25, to 1e-5.", speed.bm25_scores),
        _Measure(
            "bm25",
            "BM25 speed",
            "Aim: at least half of bm25s with numba.",
            lambda: speed.bm25(source, [size for size in speed.SIZES if size <= most]),
            "passages",
            ("ours queries/s", "bm25s queries/s"),
        ),
        _Measure(
            "dense",
            "Dense",
            "Aim: 5 ms; recall@100 of .97 against exact.",
            lambda: speed.dense(source, _embedded_texts(model), model.passages(questions(200)), most),
        ),
        _Measure(
            "search", "A whole search", "Aim: 4 ms over 11,000 short documents.", lambda: speed.search(configured)
        ),
        _Measure("cold", "Cold start", "Aim: 2 s.", lambda: speed.cold_ask(configured)),
        _Measure(
            "growth",
            "Growth",
            "Aim: 200,000 passages opened in 2 s, a million in 8 s; 4 GB at a million; one more in 1 s at 200,000.",
            lambda: growth.growth(source, [size for size in growth.SIZES if size <= most]),
            "passages",
            ("index built in s", "disk GB", "memory GB", "opened in s", "search ms", "one more in s"),
        ),
    ]


def _embedded_texts(model: Embedder, count: int = 60_000) -> Vectors:
    """Real passages and their sentences."""
    real = texts()
    every = dict.fromkeys([*real, *(one[span.start : span.end] for one in real for span in sentences(one))])
    return model.passages(list(every)[:count])


def _write(folder: Path, section: Section) -> None:
    """Put a section in the place of the one of its name, if there was one."""
    numbers = folder / "numbers.json"
    folder.mkdir(parents=True, exist_ok=True)
    kept = json.loads(numbers.read_text(encoding="utf-8")) if numbers.exists() else []
    sections = {one["name"]: Section(**one) for one in kept} | {section.name: section}
    numbers.write_text(json.dumps([asdict(one) for one in sections.values()], indent=1) + "\n", encoding="utf-8")
    page = report.page("Chapter & Verse: how fast it is", list(sections.values()))
    (folder / "report.html").write_text(page, encoding="utf-8")


def _when() -> str:
    return f"{date.today().isoformat()}, commit {_commit()}, {_machine()}"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    wanted = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if flag in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = names[0] if names else platform.processor()
    cores = f"{os.cpu_count()} cores ({' '.join(wanted)})"
    return f"{processor}, {cores}, {memory:.0f} GiB, Python {platform.python_version()}"


def _commit() -> str:
    found = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    typer.run(main)
