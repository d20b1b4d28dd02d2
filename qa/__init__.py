"""Chapter & Verse: the passages that answer a question, word for word, with citations that can be checked.

In a program of your own: `from qa import open_library` (see `qa.library`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Library", "__version__", "open_library"]

if TYPE_CHECKING:
    from qa.library import Library as Library
    from qa.library import open_library as open_library
else:

    def __getattr__(name: str) -> Any:
        """What is public is imported when it is first asked for: `import qa` itself imports nothing heavy."""
        if name not in ("Library", "open_library"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from qa import library

        return getattr(library, name)
