"""A process that is killed at a step of forgetting: `python -m tests.forgetting FOLDER DOCUMENT STEP`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from index.catalogue import Catalogue
from index.local import LocalEngine
from qa.config import settings
from qa.wire import open_library

STEPS: dict[str, tuple[type, str]] = {
    "removed": (LocalEngine, "take_over"),
    "caught up": (LocalEngine, "maintain"),
    "purged": (Catalogue, "rewrite"),
    "rewritten": (Catalogue, "checkpoint"),
}
"""What has been done, and what comes next."""


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, document_id, step = sys.argv[1:]
    setattr(*STEPS[step], die)
    open_library(settings(data=Path(folder), model="/no/such/model")).forgetting.forget(document_id)
