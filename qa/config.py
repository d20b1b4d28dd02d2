"""Settings: read once from QA_* variables or the command line, checked, then frozen."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.chunk import Chunking
from index.embed import DEFAULT_MODEL
from index.errors import QAError
from index.load.draft import Options
from index.load.sandbox import Limits


def resource(name: str) -> Path:
    """A folder that travels with the program: beside this package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / name
    return inside if inside.is_dir() else Path(__file__).parent.parent / name


class Settings(BaseSettings):
    """Each field is the environment variable of the same name with QA_ in front."""

    model_config = SettingsConfigDict(env_prefix="QA_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="address the service listens on")
    port: int = Field(8000, ge=0, le=65535, description="its port; 0 takes any free one")
    data: Path = Field(Path("data"), description="folder for everything that is stored")
    seeds: Path | None = Field(
        default_factory=lambda: resource("seeds"),
        description="folder indexed by `qa serve` when the data folder is new; empty for none",
    )
    model: str = Field(DEFAULT_MODEL, description="sentence-transformers model: a name on this machine, or a folder")
    cache: Path = Field(
        default_factory=lambda: user_cache_path("chapter-verse"),
        description="folder for what is made once and can be made again: the converted model",
    )
    reranker: str = Field(
        "",
        description="cross-encoder that rescores the first passages: a sentence-transformers CrossEncoder by name or "
        "folder; empty for none",
    )
    rerank_ms: int = Field(300, ge=1, description="time that it may take for a question, in milliseconds")
    rerank_top: int = Field(20, ge=1, le=100, description="passages that it rescores at most")
    reader: str = Field(
        "",
        description="model that marks the words that answer in the first ten passages: a question-answering model of "
        "transformers by name or "
        "folder; empty for none",
    )
    passage_pieces: int = Field(160, ge=32, le=480, description="longest passage, in the model's word pieces")
    overlap_pieces: int = Field(
        0, ge=0, le=240, description="word pieces that neighbouring passages of a long paragraph share"
    )

    originals: bool = Field(True, description="keep the files themselves, to show their pages and to download")
    file_mb: int = Field(256, ge=1, le=900, description="largest file that is read, in megabytes")
    file_seconds: float = Field(120, gt=0, le=86_400, description="seconds to read a file, or some pages of a PDF")
    file_memory_mb: int = Field(2048, ge=256, description="memory to read a file")
    ocr: bool = Field(True, description="read scanned pages with tesseract, where it is installed")
    ocr_languages: str = Field(
        "eng", pattern=r"^\w+(\+\w+)*$", description="languages of scanned pages, by tesseract's names: `eng+deu`"
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _none_when_empty(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def chunking(self) -> Chunking:
        return Chunking(self.passage_pieces, self.overlap_pieces)

    @property
    def limits(self) -> Limits:
        return Limits(self.file_seconds, self.file_memory_mb << 20, self.file_mb << 20)

    @property
    def reading(self) -> Options:
        return Options(ocr=self.ocr, languages=self.ocr_languages)


def settings(**given: object) -> Settings:
    """The settings, those given here before those of the environment; None counts as not given.

    Raises QAError naming the variable that is wrong.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"QA_{first['loc'][0]}".upper()
        raise QAError(
            f"{name} is {first['input']!r}: {first['msg'].lower()}", f"Set {name} to another value."
        ) from error
