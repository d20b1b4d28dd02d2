"""Headers of every reply: what a browser may do with it, and what it may keep."""

from __future__ import annotations

import re

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
)
FORM_POLICY = _POLICY.replace("form-action 'none'", "form-action 'self'") + "img-src 'self'"
"""For the page to sign in."""
DOCS_POLICY = f"{_POLICY}img-src 'self' data:"
"""For the page with Swagger, which writes HTML itself."""
HEADERS = {
    "Content-Security-Policy": f"{_POLICY}img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_CACHED = (
    (re.compile(r"/ask|/mcp|/sign-(in|out)|/feedback(/.*)?|/documents/[^/]+/(text|matches|original)"), "no-store"),
    (re.compile(r"/(documents|labels|jobs|health|metrics)(/.*)?|/openapi\.json"), "private, no-cache"),
)
"""What a browser may keep, by path: nothing of answers and texts; the rest of the library for this person alone, asking
each time whether it still holds."""


def kept(path: str) -> dict[str, str]:
    """The header that says so for a path, where it differs from that in `HEADERS`."""
    return next(({"Cache-Control": value} for pattern, value in _CACHED if pattern.fullmatch(path)), {})
