"""PDFs whose end is missing: a page tree and a trailer are put in the place of the lost ones."""

from __future__ import annotations

import re

_OBJECT = re.compile(rb"(?<!\d)(\d{1,7})\s+(\d{1,5})\s+obj\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_ENCRYPTED = re.compile(rb"/Encrypt\b")
_MOST_PAGES = 10_000


def with_trailer(data: bytes) -> bytes | None:
    """The file with its own pages in a new tree, in the order of the file; None where there are none to be seen.

    Pages inside object streams (PDF 1.5) cannot be found without the lost table.
    """
    if _ENCRYPTED.search(data):
        return None
    objects = list(_OBJECT.finditer(data))
    ends = [*(one.start() for one in objects[1:]), len(data)][: len(objects)]
    pages = dict[int, None]()
    for one, end in zip(objects, ends, strict=True):
        # A dictionary stands before its stream, which may hold anything.
        head = data[one.end() : end].partition(b"stream")[0]
        if _PAGE.search(head):
            pages[int(one[1])] = None
    if not pages:
        return None
    free = 1 + max(int(one[1]) for one in objects)
    kids = list(pages)[:_MOST_PAGES]
    tree = " ".join(f"{number} 0 R" for number in kids)
    added = (
        f"\nendstream\nendobj\n{free} 0 obj\n<< /Type /Catalog /Pages {free + 1} 0 R >>\nendobj\n"
        f"{free + 1} 0 obj\n<< /Type /Pages /Kids [{tree}] /Count {len(kids)} /MediaBox [0 0 612 792] >>\nendobj\n"
        f"trailer\n<< /Size {free + 2} /Root {free} 0 R >>\nstartxref\n0\n%%EOF\n"
    )
    return data + added.encode()
