"""Who is let in: tokens and sessions, what each may do, how often, and how much at a time."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import ceil
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from fastapi.responses import RedirectResponse
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from index.errors import QAError
from qa.asking import Asking
from qa.config import Settings
from qa.failures import refused, reply
from qa.guard import followed, foreign, header
from qa.holders import Holders, Kind
from qa.shared import Shared

_THREADS = 4
"""Counts at the same time, in threads of their own."""
LIVE = "/health/live"
_OPEN = re.compile(r"/web/.*|/swagger/.*|/favicon\.ico|/sign-in|/health/(live|ready)")
"""What anybody may have: the page without what is stored, how to sign in, whether the service is there."""
_UNCOUNTED = re.compile(r"/web/.*|/swagger/.*|/favicon\.ico|/health(/.*)?|/metrics")
"""What a page or a monitor asks for by itself, which costs next to nothing."""
_READING = re.compile(r"/(?!feedback$|jobs)[^\0]*", re.DOTALL)
_ASKING = {
    "GET": _READING,
    "HEAD": _READING,
    "OPTIONS": re.compile(r".*", re.DOTALL),
    "POST": re.compile(r"/ask|/feedback|/sign-out|/mcp"),
    "DELETE": re.compile(r"/feedback/[^/]+"),
}
"""What the scope `ask` allows; all else needs `manage`: what changes documents, and what other people sent."""


def cookie_of(scheme: str) -> str:
    """The session's cookie; browsers take `__Host-` over TLS alone, for this host alone."""
    return "__Host-session" if scheme == "https" else "session"


class Gate:
    """ASGI middleware. Sets `scope["qa.holder"]`, None where nobody has to sign in, and `scope["qa.client"]`, a name.

    Without any token the service is open, which `qa serve` allows on this machine alone.
    """

    def __init__(self, app: ASGIApp, settings: Settings, holders: Holders, shared: Shared, asking: Asking) -> None:
        self._app = app
        self._settings = settings
        self._holders = holders
        self._shared = shared
        self._asking = asking
        self._threads = CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            refusal = await self._refusal(scope)
        except QAError as error:
            refusal = refused(error)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        scope["qa.holder"], scope["qa.client"] = None, ""
        if scope["path"] == LIVE:  # whatever state the tokens are in
            return None
        required = not self._settings.insecure and await self._holders.required()
        if required and not _OPEN.fullmatch(scope["path"]):
            refusal = await self._unknown(scope)
            if refusal:
                return refusal
        return await self._too_many(scope, required) or self._busy(scope)

    async def _unknown(self, scope: Scope) -> Response | None:
        kind, secret = _shown(scope)
        holder = await self._holders.of(kind, secret) if secret else None
        if holder is None:
            return await self._sign_in_first(scope, bool(secret), kind == "token")
        scope["qa.holder"], scope["qa.client"] = holder, holder.name
        allowed = _ASKING.get(scope["method"])
        if holder.scope == "manage" or (allowed and allowed.fullmatch(scope["path"])):
            return None
        message = f"the token {holder.name} may ask and read, not do this"
        return reply(403, "forbidden", message, "Use a token of the scope manage: qa token create --scope manage.")

    async def _sign_in_first(self, scope: Scope, shown: bool, counted: bool) -> Response:
        """A session that has ended is not counted: its page goes on asking whether it is back."""
        if shown and counted and (wait := await self._take(f"sign-in {address(scope)}", self._settings.sign_ins)):
            return too_many("this address showed too many tokens that do not hold", wait)
        if followed(scope) or (scope["method"] == "GET" and "text/html" in header(scope, b"accept")):
            target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303, {"Vary": "Accept, Cookie"})
        message = "this token does not hold, or not any more" if shown else "sign in first"
        hint = "Send a token (Authorization: Bearer …), or open /sign-in in the browser; qa token create makes one."
        return reply(401, "unauthorized", message, hint, {"WWW-Authenticate": "Bearer"})

    async def _too_many(self, scope: Scope, required: bool) -> Response | None:
        rate, holder = self._settings.rate, scope["qa.holder"]
        open_here = not required and self._settings.local
        if not rate or open_here or _UNCOUNTED.fullmatch(scope["path"]):
            return None
        wait = await self._take(f"token {holder.token_id}" if holder else f"address {address(scope)}", rate)
        return too_many(f"over {rate} requests a minute", wait) if wait else None

    async def _take(self, key: str, rate: int) -> float:
        """In a thread where a server is asked; a file in memory takes less time than that."""
        if not self._settings.catalogue:
            return self._shared.take(key, rate)
        return await to_thread.run_sync(self._shared.take, key, rate, limiter=self._threads)

    def _busy(self, scope: Scope) -> Response | None:
        if scope["path"] == "/ask" and scope["method"] in ("GET", "POST") and self._asking.full:
            return refused(self._asking.busy())
        return None


def too_many(message: str, wait: float) -> Response:
    return reply(429, "too_many_requests", message, "Wait a moment; see Retry-After.", {"Retry-After": str(ceil(wait))})


def address(scope: Scope) -> str:
    """Where a request comes from; of IPv6 the network, of which a client has as many addresses as it likes."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        found = ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def _shown(scope: Scope) -> tuple[Kind, str]:
    """The secret of a request; empty where there is none."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    scheme, _, token = given.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return "token", token.strip()
    if foreign(scope) and not followed(scope):  # of a page that may use the API (QA_CORS): with a token of its own
        return "session", ""
    return "session", session_of(scope)


def session_of(scope: Scope) -> str:
    given = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    return cookie_parser(given).get(cookie_of(scope["scheme"]), "")
