"""Chapter & Verse: the passages that answer a question, word for word, with citations that can be checked."""

__version__ = "0.1.0"
