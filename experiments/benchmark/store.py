"""20,000 vectors of 768 from the cache, against one .npy file an utterance."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmark import Rows, best
from multimodal_ser.features.store import Recipe, Store


def rows() -> Rows:
    """Opening the store and checking the shards included."""
    vectors = np.random.default_rng(0).random((20000, 768), np.float32)
    named = {f"{key:08d}": row[None] for key, row in enumerate(vectors)}
    keys = list(named)
    with tempfile.TemporaryDirectory() as folder:
        root, recipe = Path(folder), Recipe("bench", "{}", 1, ())
        store = Store(root, recipe)
        for first in range(0, len(keys), 512):
            store.put({key: named[key] for key in keys[first : first + 512]})
        for key in keys:
            np.save(root / f"{key}.npy", named[key])

        def ours() -> None:
            opened = Store(root, recipe)
            opened.drop_damaged(keys)
            opened.get(keys)

        plain = best(lambda: [np.load(root / f"{key}.npy") for key in keys])
        return {"20,000 cached vectors, against a file each": (plain, best(ours))}
