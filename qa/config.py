"""Settings: read once from QA_* variables or the command line, checked, then frozen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.chunk import Chunking
from index.embed import DEFAULT_MODEL
from index.errors import QAError, UsageError
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
    catalogue: str = Field(
        "",
        description="PostgreSQL database for documents, passages, jobs and tokens, in place of a file in the data "
        "folder: `postgresql+psycopg://user:password@host/database`",
    )
    files: str = Field(
        "",
        description="folder, or address of a store such as `s3://bucket/prefix`, for files that were sent and "
        "originals; empty keeps what was sent in the data folder, and originals with the documents",
    )
    engine: Literal["local", "milvus"] = Field(
        "local", description="what searches: `local`, files in the data folder, or `milvus`"
    )
    engine_uri: str = Field(
        "", description="Milvus's address, `http://host:19530`, or a path that ends in `.db` for Milvus Lite"
    )
    engine_name: str = Field(
        "chapter_verse", pattern=r"^[A-Za-z_]\w{0,99}$", description="what its collections are called in Milvus"
    )
    engine_index: Literal["flat", "hnsw"] = Field(
        "flat",
        description="how Milvus looks for vectors: `flat` compares all, as the embedded engine does; `hnsw` is faster "
        "with millions, and misses one in a hundred",
    )
    ingest: bool = Field(True, description="whether the service takes documents in itself, or leaves it to `qa worker`")
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

    workers: int = Field(1, ge=1, le=64, description="processes that serve, over one data folder")
    insecure: bool = Field(False, description="ask nobody to sign in, on any address")
    hosts: str = Field(
        "",
        description="names that the service is reached by, besides those of this machine: `qa.example.org`; with some, "
        "requests for other names are refused",
    )
    proxies: str = Field(
        "", description="addresses of proxies in front, whose word on the client's address and on TLS is taken"
    )
    cors: str = Field(
        "",
        description="origins whose pages may use the API with a token: `https://intranet.example.org`; none by default",
    )
    rate: int = Field(
        600,
        ge=0,
        description="requests a minute for a token, or an address without one; 0 for no limit. It holds where people "
        "sign in, or on other addresses than this machine's own",
    )
    sign_ins: int = Field(20, ge=1, description="times a minute that an address may show a token that does not hold")
    url_bytes: int = Field(8_192, ge=256, le=65_536, description="longest address of a request")
    body_mb: int = Field(64, ge=1, description="largest request that brings texts as JSON, in megabytes; others: 8")
    upload_mb: int = Field(1_024, ge=1, description="largest request with files, in megabytes")
    upload_files: int = Field(1_000, ge=1, le=10_000, description="most files of a request")
    uploads: int = Field(8, ge=1, description="requests that may bring documents at the same time")
    question_characters: int = Field(2_000, ge=10, le=2_000, description="longest question")
    history_turns: int = Field(50, ge=0, le=50, description="most earlier questions that a question comes with")
    questions: int = Field(
        64, ge=1, description="questions that may wait for their answers; more are told to come back"
    )
    question_seconds: float = Field(30, gt=0, description="seconds that a question may take, waiting included")
    connections: int = Field(4_096, ge=16, description="most connections of a process")
    idle_seconds: float = Field(
        20, gt=0, description="seconds that a client may take for the head of a request, or for any next part of it"
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="what is logged, and worse")
    log_format: Literal["text", "json"] = Field("text", description="how it is logged, a line a record; or `json`")
    log_questions: bool = Field(
        False, description="log questions, and whole messages of errors, which may quote documents"
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _none_when_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("cors")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in _listed(value):
            if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
                raise ValueError(f"{origin} is no origin such as https://intranet.example.org")
        return value

    def apart(self, data: Path) -> Settings:
        """The same for a library of its own in that folder, whatever servers are set."""
        alone = {"data": data, "catalogue": "", "files": "", "engine": "local", "engine_uri": ""}
        return self.model_copy(update=alone)

    @property
    def names(self) -> frozenset[str] | None:
        """The names in whose requests are answered; None for any."""
        given = frozenset(_listed(self.hosts))
        own = frozenset({"127.0.0.1", "localhost", "[::1]", f"[{self.host}]" if ":" in self.host else self.host})
        return own | given if given or self.local else None

    @property
    def local(self) -> bool:
        """Whether it listens to this machine alone."""
        return self.host in ("::1", "localhost") or self.host.startswith("127.")

    @property
    def origins(self) -> frozenset[str]:
        """Origins whose pages may use the API."""
        return frozenset(_listed(self.cors))

    @property
    def chunking(self) -> Chunking:
        return Chunking(self.passage_pieces, self.overlap_pieces)

    @property
    def limits(self) -> Limits:
        return Limits(self.file_seconds, self.file_memory_mb << 20, self.file_mb << 20)

    @property
    def reading(self) -> Options:
        return Options(ocr=self.ocr, languages=self.ocr_languages)


def _listed(names: str) -> list[str]:
    """The parts of a setting that holds several, lower case."""
    return [name.lower() for name in re.split(r"[\s,]+", names) if name]


def settings(**given: object) -> Settings:
    """The settings, those given here before those of the environment; None counts as not given.

    Raises QAError naming the variable that is wrong.
    """
    try:
        chosen = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"QA_{first['loc'][0]}".upper()
        raise QAError(
            f"{name} is {first['input']!r}: {first['msg'].lower()}", f"Set {name} to another value."
        ) from error
    _check_engine(chosen)
    return chosen


def _check_engine(chosen: Settings) -> None:
    """Raises UsageError for an address that is none of Milvus's."""
    uri, lite = chosen.engine_uri, chosen.engine_uri.endswith(".db")
    if chosen.engine == "milvus" and not (lite or re.match(r"https?://[^/]", uri)):
        what = "is no address of Milvus" if uri else "is missing, which QA_ENGINE=milvus needs"
        hint = "Write http://host:19530, or a path that ends in .db for Milvus Lite in this process."
        raise UsageError(f"QA_ENGINE_URI {what}", hint)
    if chosen.engine == "milvus" and lite and chosen.workers > 1:
        hint = "Run it as a server (milvus-lite server) and give its address, or take one process."
        raise UsageError("a file of Milvus Lite is for one process, QA_WORKERS asks for more", hint)
