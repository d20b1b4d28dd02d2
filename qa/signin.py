"""Signing in with a token in a browser, and out again."""

from __future__ import annotations

import re
from functools import partial
from math import ceil
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from qa.access import SESSION, Access
from qa.config import Settings, resource
from qa.gate import address, cookie_of, session_of
from qa.headers import FORM_POLICY
from qa.holders import Holders
from qa.shared import Shared

_OWN = {
    "Content-Security-Policy": FORM_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # without any, a form is sent as from no origin, which `Guard` takes for another
}
_HIDDEN = 'role="alert" hidden>'
_SAFE = re.compile(r"/(?!/)(?:(?!//)[^?#\\\x00-\x20])*(?:[?#][^\\\x00-\x20]*)?")
"""An address of this service: two slashes, or what a browser takes for them, lead to another, as do /.// or /a/..//."""


def install(app: FastAPI, access: Access, holders: Holders, shared: Shared, settings: Settings) -> None:
    show = partial(_page, (resource("web") / "sign-in.html").read_text(encoding="utf-8"))

    @app.api_route("/sign-in", methods=["GET", "HEAD"], include_in_schema=False)
    def sign_in_page() -> Response:
        return show("", 200)

    @app.post("/sign-in", include_in_schema=False)
    def sign_in(
        request: Request,
        token: Annotated[str, Form(max_length=200)] = "",
        onward: Annotated[str, Form(alias="next", max_length=4_096)] = "/",
    ) -> Response:
        """A session for the holder of a token, in a cookie that no script can read and no other site sends."""
        begun = access.sign_in(token.strip())
        if begun is None:
            wait = shared.take(f"sign-in {address(request.scope)}", settings.sign_ins)
            if wait:
                return show("Too many tries. Wait a minute.", 429, {"Retry-After": str(ceil(wait))})
            return show("This token does not hold, or not any more.", 401)
        if before := session_of(request.scope):
            holders.sign_out(before)
        reply = RedirectResponse(onward if _SAFE.fullmatch(onward) else "/", 303)
        _set(request, reply, begun[0], SESSION)
        return reply

    @app.post("/sign-out", include_in_schema=False)
    def sign_out(request: Request) -> Response:
        holders.sign_out(session_of(request.scope))
        reply = RedirectResponse("/sign-in", 303, {"Clear-Site-Data": '"cache"'})
        _set(request, reply, "", 0)
        return reply


def _page(page: str, failed: str, status: int, headers: dict[str, str] | None = None) -> Response:
    if failed:
        page = page.replace(_HIDDEN, f'role="alert">{failed}')
    return HTMLResponse(page, status, _OWN | (headers or {}))


def _set(request: Request, reply: Response, value: str, seconds: int) -> None:
    scheme = request.url.scheme
    reply.set_cookie(
        cookie_of(scheme), value, max_age=seconds, path="/", secure=scheme == "https", httponly=True, samesite="strict"
    )
