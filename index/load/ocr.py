"""Pictures of pages read by tesseract, a program apart; it tells the place of every character."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from index.errors import DocumentError
from index.load.pdf_page import Glyphs, Page, Style, page_of
from index.load.xml import parser

DOTS_PER_INCH = 300
_SECONDS = 100.0
"""For one page."""
_LANGUAGES = re.compile(r"[A-Za-z][\w/-]*(?:\+[A-Za-z][\w/-]*)*$")
_BOX = re.compile(r"\b(?:bbox|x_bboxes) (-?\d+) (-?\d+) (-?\d+) (-?\d+)")
_BASELINE = re.compile(r"\bbaseline (-?[\d.]+) (-?[\d.]+)")
_SIZE = re.compile(r"\bx_size (-?[\d.]+)")
_CONFIDENCE = re.compile(r"\bx_wconf (\d+)")
_SURE = 20
"""Words that tesseract is less sure of, in percent, are specks rather than words."""


class OCRError(Exception):
    """A page could not be read."""


class _Character(NamedTuple):
    code: int
    box: tuple[float, float, float, float]
    line: tuple[float, float, float, float]
    base: float
    size: float


def installed() -> bool:
    return shutil.which("tesseract") is not None


def check(languages: str) -> None:
    """Raises DocumentError when a language is not installed."""
    if not _LANGUAGES.match(languages):
        raise DocumentError(f"{languages!r} names no languages for OCR", 'Join tesseract\'s names by "+": eng+deu.')
    missing = [one for one in languages.split("+") if one not in _known()]
    if missing:
        packages = " ".join(f"tesseract-ocr-{one.lower().replace('_', '-')}" for one in missing)
        raise DocumentError(f"tesseract lacks the language {', '.join(missing)}", f"apt-get install {packages}")


@lru_cache(1)
def _known() -> frozenset[str]:
    done = subprocess.run(["tesseract", "--list-langs"], capture_output=True, timeout=30, check=False)  # noqa: S607
    return frozenset(done.stdout.decode("utf-8", "replace").split()[1:])


def read(pixels: NDArray[np.uint8], scale: float, size: tuple[float, float], languages: str) -> Page:
    """The page in a picture of shape (height, width) with `scale` pixels in a point. Raises OCRError."""
    header = f"P5 {pixels.shape[1]} {pixels.shape[0]} 255\n".encode()
    command = ["tesseract", "stdin", "stdout", "-l", languages, "--dpi", str(max(70, round(scale * 72)))]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, "-c", "hocr_char_boxes=1", "hocr"],
            input=header + np.ascontiguousarray(pixels).tobytes(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise OCRError(f"OCR took longer than {_SECONDS:.0f} s") from error
    except OSError as error:
        raise OCRError(f"tesseract cannot be started: {error.strerror}") from error
    if done.returncode:
        raise OCRError("tesseract failed: " + done.stderr.decode("utf-8", "replace").strip()[-200:])
    return page_of_hocr(done.stdout, scale, size)


def page_of_hocr(hocr: bytes, scale: float, size: tuple[float, float]) -> Page:
    """A page from tesseract's hOCR with boxes of characters, in pixels. Raises OCRError."""
    root = etree.fromstring(hocr, parser(recover=True))
    if root is None:
        raise OCRError("tesseract gave nothing that can be read")
    lines = [line for line in map(_characters, root.iter()) if line]
    flat = [one for line in lines for one in line]
    if not flat:
        return Page(*size, span=size)
    usual = float(np.median([one.size for one in flat]))
    # Sizes that tesseract measures vary a little from line to line of one paragraph.
    sizes = [usual if 0.75 < one.size / usual < 1.3 else one.size for one in flat]
    tight = np.array([one.box for one in flat]) / scale
    loose = tight.copy()
    loose[:, (1, 3)] = np.array([one.line for one in flat])[:, (1, 3)] / scale
    glyphs = Glyphs(
        codes=np.array([one.code for one in flat], np.uint32),
        generated=np.array([one.code in (0x20, 0x0A) for one in flat]),
        tight=tight,
        loose=loose,
        origins=np.stack((tight[:, 0], np.array([one.base for one in flat]) / scale), axis=1),
        quarters=np.zeros(len(flat), np.int64),
    )
    return page_of(glyphs, size, lambda at: Style(sizes[at] / scale, bold=False))


def _characters(element: etree._Element) -> list[_Character]:
    """The characters of a line of hOCR; spaces and the line's end stand where the last character stood."""
    if element.get("class") not in ("ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat"):
        return []
    title = element.get("title", "")
    box = _box(title)
    if box is None:
        return []
    slope, offset = _numbers(_BASELINE, title, 2) or (0.0, 0.0)
    size = (_numbers(_SIZE, title, 1) or (box[3] - box[1],))[0]
    found = list[_Character]()
    for word in element.iter():
        if word.get("class") != "ocrx_word" or (_numbers(_CONFIDENCE, word.get("title", ""), 1) or (100.0,))[0] < _SURE:
            continue
        if found:
            found.append(found[-1]._replace(code=0x20))
        for one in word.iter():
            place = _box(one.get("title", "")) if one.get("class") == "ocrx_cinfo" else None
            if place is not None:
                base = box[3] + offset + slope * ((place[0] + place[2]) / 2 - box[0])
                found += [_Character(ord(letter), place, box, base, size) for letter in "".join(one.itertext()).strip()]
    return [*found, found[-1]._replace(code=0x0A)] if found else []


def _box(title: str) -> tuple[float, float, float, float] | None:
    found = _numbers(_BOX, title, 4)
    return (found[0], found[1], found[2], found[3]) if found else None


def _numbers(pattern: re.Pattern[str], title: str, count: int) -> tuple[float, ...] | None:
    match = pattern.search(title)
    return tuple(float(match[number + 1]) for number in range(count)) if match else None
