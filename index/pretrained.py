"""A pretrained model that may be asked for beside the embedder: found and loaded on this machine, and quietly.

The only file that hushes transformers; what its libraries raise becomes a ModelError.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.embed import locate
from index.errors import ModelError

_one_at_a_time = threading.Lock()
"""While one model is loaded, transformers changes what torch does by default for all threads."""


def located(name: str, setting: str, organisation: str = "") -> Path:
    """The folder of a model: a folder, or a name in the local Hugging Face cache, there also below `organisation`.

    Raises ModelError when there is none; `setting` is the variable that named it.
    """
    for candidate in (name, f"{organisation}/{name}")[: 2 if organisation else 1]:
        try:
            return locate(candidate)
        except (ModelError, OSError):
            continue
    raise ModelError(
        f"the model {name} is neither a folder nor in the local model cache",
        f"Set {setting} to the folder of such a model, or to nothing; nothing is fetched from the network.",
    )


@contextmanager
def loading(name: str, setting: str) -> Iterator[None]:
    """Load a model inside: without network, progress bars and warnings. Whatever is raised becomes a ModelError."""
    with _one_at_a_time, model_errors(f"the model {name} cannot be loaded", f"Check {setting}."):
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        disable_progress_bar()  # type: ignore[no-untyped-call]
        set_verbosity_error()  # type: ignore[no-untyped-call]
        yield


@contextmanager
def model_errors(message: str, hint: str) -> Iterator[None]:
    """Whatever is raised inside becomes a ModelError: these libraries raise anything."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        what = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"{message}: {what}", hint) from error
