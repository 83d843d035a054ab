"""The data set that ships with the project is what its licence file says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_lstm.datasets import TaskSpec, fit_input_scaling, make_sequences, outputs_of, read_dataset, split

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "japanese_vowels"


def test_japanese_vowels_is_read_whole():
    """640 utterances of 9 speakers, 12 channels, 7 to 29 steps, official split 270 / 370, 30 a speaker to train on."""
    dataset = read_dataset(EXAMPLE / "japanese_vowels.npz")
    assert len(dataset.recordings) == 640
    assert len(dataset.channels) == 12
    assert {r.steps for r in dataset.recordings} <= set(range(7, 30))
    assert dataset.labels() == tuple(f"speaker-{i}" for i in range(1, 10))
    parts = split(dataset, "given", validation=0)
    assert parts.test is not None
    assert (len(parts.train.recordings), len(parts.test.recordings)) == (270, 370)
    assert set(parts.train.label_counts().values()) == {30}


def test_japanese_vowels_becomes_sequences_for_training():
    """One sequence an utterance, every part with every speaker."""
    parts = split(read_dataset(EXAMPLE / "japanese_vowels.npz"), validation=0.15)
    spec = TaskSpec("classify")
    outputs = outputs_of(parts.train, spec)
    for part in parts.parts().values():
        sequences = make_sequences(part, spec, outputs)
        assert len(sequences) == len(part.recordings)
        assert min(sequences.class_counts(outputs).values()) > 0
    assert (fit_input_scaling(parts.train).scale > 0).all()


def test_its_fingerprint_stands_beside_its_licence():
    """LICENSE.md names the creators, the licence and the very bytes."""
    text = (EXAMPLE / "LICENSE.md").read_text(encoding="utf-8")
    content = (EXAMPLE / "japanese_vowels.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() in text
    assert "Kudo" in text
    assert "CC BY 4.0" in text
    assert len(content) < 600_000
