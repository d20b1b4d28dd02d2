"""PDF files opened, and their pages drawn as they are displayed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from index.boxes import SCALE
from index.errors import DocumentError
from index.load.pdf_repair import with_trailer

Box = tuple[int, int, int, int]

_MOST_PIXELS = 40_000_000
_MOST_WIDTH = 4000
_YELLOW = (255, 236, 110)


@contextmanager
def opened(data: bytes, name: str, password: str | None) -> Iterator[pdfium.PdfDocument]:
    """A PDF, closed afterwards. Raises DocumentError when it needs another password, or is no PDF that can be read."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        document = _unlocked(data, name, password) if _needs_password(error) else _mended(data, name)
    try:
        yield document
    finally:
        document.close()


def _unlocked(data: bytes, name: str, password: str | None) -> pdfium.PdfDocument:
    hint = "Give it: qa index --password …, or the field password of an upload"
    if not password:
        raise DocumentError(f"{name} needs a password", hint)
    try:
        return pdfium.PdfDocument(data, password=password)
    except (pdfium.PdfiumError, ValueError) as error:  # a NUL in a password cannot be passed on
        raise DocumentError(f"{name} does not open with the password that was given", hint) from error


def _mended(data: bytes, name: str) -> pdfium.PdfDocument:
    whole = with_trailer(data)
    try:
        return pdfium.PdfDocument(data if whole is None else whole)
    except pdfium.PdfiumError as error:
        raise DocumentError(
            f"{name} is damaged: {error}", "Open it in a PDF viewer and print it to a new PDF."
        ) from error


def _needs_password(error: pdfium.PdfiumError) -> bool:
    return bool(getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD)


def page(data: bytes, number: int, boxes: Sequence[Box], width: int, password: str | None = None) -> bytes:
    """A PNG of the displayed page `number` (from 1), `width` pixels wide, the characters in `boxes` marked in yellow.

    Boxes are in tenths of a point from the top left corner. Raises IndexError when there is no such page,
    DocumentError when it cannot be drawn.
    """
    with opened(data, "the file", password) as document:
        if not 1 <= number <= len(document):
            raise IndexError(f"no page {number}: there are {len(document)}")
        try:
            document.init_forms()  # what is filled into fields is shown as well
            one = document[number - 1]
            try:
                size = one.get_size()
                scale = _scale(size, min(max(width, 16), _MOST_WIDTH) / max(size[0], 1e-3))
                picture = one.render(scale=scale).to_pil().convert("RGB")
            finally:
                one.close()
        except (pdfium.PdfiumError, ValueError, ZeroDivisionError) as error:
            raise DocumentError(f"page {number} cannot be drawn: {error}", "Open the original file instead.") from error
    picture = ImageChops.multiply(picture, _marks(picture.size, boxes, scale / SCALE))
    output = io.BytesIO()
    picture.save(output, "PNG", compress_level=4)
    return output.getvalue()


def grey(one: pdfium.PdfPage, dots_per_inch: int) -> tuple[NDArray[np.uint8], float]:
    """A page in shades of grey, shape (height, width), and the pixels in a point. Raises PdfiumError, ValueError."""
    scale = _scale(one.get_size(), dots_per_inch / 72)
    bitmap = one.render(scale=scale, grayscale=True)
    try:
        pixels: NDArray[np.uint8] = np.array(bitmap.to_numpy(), np.uint8)
    finally:
        bitmap.close()
    return pixels.reshape(pixels.shape[:2]), scale


def _scale(size: tuple[float, float], wanted: float) -> float:
    """The scale, made smaller for pages so large that they would need too many pixels."""
    most = (_MOST_PIXELS / max(size[0] * size[1], 1.0)) ** 0.5
    longest = 30_000 / max(*size, 1.0)
    return float(min(wanted, most, longest))


def _marks(size: tuple[int, int], boxes: Sequence[Box], scale: float) -> Image.Image:
    """White, with a yellow band behind every line of characters. `scale` is pixels in a tenth of a point."""
    marks = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(marks)
    for left, top, right, bottom in bands(boxes):
        place = [int(left * scale), int(top * scale), int(right * scale) + 1, int(bottom * scale) + 1]
        draw.rounded_rectangle(place, radius=2, fill=_YELLOW)
    return marks


def bands(boxes: Sequence[Box]) -> list[Box]:
    """Boxes in the order of the text merged into one band for each line, slightly larger than the ink."""
    found = list[Box]()
    for box in boxes:
        if not any(box):
            continue
        if found and _on_one_line(found[-1], box):
            before = found[-1]
            found[-1] = (
                min(before[0], box[0]),
                min(before[1], box[1]),
                max(before[2], box[2]),
                max(before[3], box[3]),
            )
        else:
            found.append(box)
    return [(left - 10, top - 12, right + 10, bottom + 12) for left, top, right, bottom in found]


def _on_one_line(band: Box, box: Box) -> bool:
    """Do they overlap, or nearly, in height, with no more than a gap of a few characters between them?"""
    tall = max(band[3] - band[1], box[3] - box[1], 40)
    beside = max(band[1], box[1]) - min(band[3], box[3]) < 0.25 * tall
    apart = max(box[0] - band[2], band[0] - box[2])
    # In text turned by a quarter, characters stand above each other.
    above = min(band[2], box[2]) - max(band[0], box[0]) > 0.5 * (min(band[2] - band[0], box[2] - box[0]))
    narrow = max(box[1] - band[3], band[1] - box[3]) < 20 and band[2] - band[0] < 1.5 * tall
    return (beside and apart < 4 * tall) or (above and narrow)
