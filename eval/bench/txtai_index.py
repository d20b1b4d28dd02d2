"""txtai's index of given texts and vectors, for its own API to serve. Runs by itself where txtai is installed.

txtai embeds nothing here: it takes the vectors from a function ("external"), and then, in the configuration that it
saved, the model that made them, for questions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(folder: Path, model: str) -> None:
    """Reads `texts.json` and `vectors.npy` in the folder; writes `index/` and `app.json`, its API's configuration."""
    import numpy as np
    from txtai import Embeddings

    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    vectors, taken = np.load(folder / "vectors.npy", mmap_mode="r"), 0

    def next_vectors(batch: Sequence[str]) -> Any:
        nonlocal taken
        taken += len(batch)
        return np.array(vectors[taken - len(batch) : taken])

    embeddings: Any = Embeddings(method="external", transform=next_vectors, hybrid=True, content=True)
    embeddings.index((number, text, None) for number, text in enumerate(texts))
    if taken != len(texts):
        raise AssertionError(f"{taken} vectors were taken for {len(texts)} texts")
    embeddings.save(str(folder / "index"))
    embeddings.close()
    saved = folder / "index" / "config.json"
    config = json.loads(saved.read_text(encoding="utf-8"))
    del config["transform"]
    asking = {"method": "sentence-transformers", "path": model, "gpu": False}
    saved.write_text(json.dumps(config | asking), encoding="utf-8")
    api = {"path": str(folder / "index"), "embeddings": asking}
    (folder / "app.json").write_text(json.dumps(api), encoding="utf-8")  # JSON is YAML, too


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
