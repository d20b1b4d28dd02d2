"""The commands that look after tokens: `qa token create`, `list`, `revoke`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qa.terminal import Data, Json, chosen_settings, plain, print_json

if TYPE_CHECKING:
    from qa.access import Access

app = typer.Typer(help="Who may use the service.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is called: for whom, or for what, it is.")],
    scope: Annotated[
        Literal["ask", "manage"], typer.Option(help="ask: ask and read. manage: change documents as well.")
    ] = "ask",
    days: Annotated[float | None, typer.Option(min=0.0001, help="Days that it holds; without, until revoked.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a token, and tell its secret: this once, it is not stored."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise typer.BadParameter("must have 1 to 100 printable characters", param_hint="--name")
    with _access(data) as access:
        token, secret = access.create(name.strip(), scope, days)
    if as_json:
        print_json(
            {"id": token.id, "name": token.name, "scope": scope, "expires_at": token.expires_at, "token": secret}
        )
        return
    typer.echo(secret)
    typer.echo(f"Keep it: it is not told again. It may {_MAY[scope]}{_until(token.expires_at)}.", err=True)


@app.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """List the tokens, without their secrets."""
    with _access(data) as access:
        tokens = access.tokens()
    if as_json:
        print_json(tokens)
        return
    for token in tokens:
        state = "revoked" if token.revoked_at else f"holds{_until(token.expires_at)}"
        typer.echo(plain(f"{token.id}  {token.scope:<6}  {token.name}  {state}"))


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Name or id of a token.")], data: Data = None) -> None:
    """End a token, and every sign-in with it, within a second."""
    with _access(data) as access:
        if not access.revoke(name):
            typer.secho(plain(f"No token called {name} holds. See: qa token list"), fg="red", err=True)
            raise typer.Exit(1)
    typer.echo(plain(f"Revoked {name}"))


_MAY = {"ask": "ask and read", "manage": "ask, read and change documents"}


@contextmanager
def _access(data: object) -> Iterator[Access]:
    from qa.access import Access

    settings = chosen_settings(data=data)
    access = Access(settings.data, settings.catalogue)
    try:
        yield access
    finally:
        access.close()


def _until(expires_at: float | None) -> str:
    from datetime import UTC, datetime

    return f" until {datetime.fromtimestamp(expires_at, UTC):%Y-%m-%d %H:%M} UTC" if expires_at else ""
