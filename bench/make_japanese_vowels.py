"""Make examples/japanese_vowels/japanese_vowels.npz from the aeon wheel.

    pip download --no-deps aeon==1.6.0
    python bench/make_japanese_vowels.py aeon-1.6.0-py3-none-any.whl examples/japanese_vowels/japanese_vowels.npz

The two ``.ts`` texts in the wheel are read, nothing of it is run. The same wheel gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

FOLDER = "aeon/datasets/data/JapaneseVowels/"
PARTS = {"train": "JapaneseVowels_TRAIN.ts", "test": "JapaneseVowels_TEST.ts"}


def utterances(text: str) -> list[tuple[np.ndarray, int]]:
    """Every line after @data is ``dimension:dimension:...:label``, a dimension its comma-separated samples."""
    lines = text.split("@data", 1)[1].split("\n")
    cases = [line.strip().split(":") for line in lines if line.strip()]
    return [(_samples(case[:-1]), int(case[-1])) for case in cases]


def _samples(dimensions: list[str]) -> np.ndarray:
    """(T, 12): a NaN at the end of a dimension is the text's padding."""
    series = np.array([[float(v.replace("?", "nan")) for v in d.split(",")] for d in dimensions], np.float32).T
    return series[~np.isnan(series).any(axis=1)]


def archive(wheel: Path) -> bytes:
    """The NPZ file of all 640 utterances."""
    with zipfile.ZipFile(wheel) as source:
        cases = [
            (series, label, part)
            for part, name in PARTS.items()
            for series, label in utterances(source.read(FOLDER + name).decode())
        ]
    lengths = np.array([len(series) for series, _, _ in cases], np.int32)
    x = np.zeros((len(cases), lengths.max(), cases[0][0].shape[1]), np.float32)
    for row, (series, _, _) in enumerate(cases):
        x[row, : len(series)] = series
    numbers = sorted({label for _, label, _ in cases})
    arrays = {
        "x": x,
        "y": np.array([numbers.index(label) for _, label, _ in cases], np.int32),
        "lengths": lengths,
        "split": np.array([part for _, _, part in cases]),
        "labels": np.array([f"speaker-{number}" for number in numbers]),
        "channels": np.array([f"lpc{i}" for i in range(1, x.shape[2] + 1)]),
    }
    target = io.BytesIO()
    np.savez_compressed(target, **arrays)  # zip entries bear the fixed date 1980-01-01
    return target.getvalue()


if __name__ == "__main__":
    content = archive(Path(sys.argv[1]))
    Path(sys.argv[2]).write_bytes(content)
    print(f"{sys.argv[2]}: {len(content)} B, sha256 {hashlib.sha256(content).hexdigest()}")
