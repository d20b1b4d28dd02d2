"""The command `qa mcp`: the library for an assistant, by the Model Context Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qa.terminal import Data, ModelName, chosen_settings

if TYPE_CHECKING:
    from qa.config import Settings


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Run the service, which speaks MCP at /mcp, instead of standard input.")
    ] = False,
    data: Data = None,
    model: ModelName = None,
) -> None:
    """Let an assistant ask and quote the documents (Model Context Protocol), over standard input and output."""
    settings = chosen_settings(data=data, model=model)
    if http:
        from qa.serve import serve

        serve(settings)
    else:
        _over_stdio(settings)


def _over_stdio(settings: Settings) -> None:
    """A new data folder stays empty, other than with `qa serve`: an assistant that was promised the user's own
    documents must not quote those that come with the program."""
    import signal
    from threading import Thread

    import anyio

    from qa import logs
    from qa.mcp import serve_stdio
    from qa.wire import open_library

    logs.configure(settings)  # to standard error
    library = open_library(settings, make=True, load_when_needed=True, serving=True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input; nothing that is written here needs an end
    Thread(target=library.load_models, args=(True,), name="model", daemon=True).start()  # the first question waits less
    try:
        anyio.run(serve_stdio, library)
    finally:
        library.close()
