"""The index: documents in, ranked passages out. Knows nothing of HTTP, answers or evaluation."""
