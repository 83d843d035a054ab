"""Probabilities in integers: close to the exact ones, and the same in C."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_nets import PROGRAMS, WARNINGS, place, run
from models import native_model

from edge_lstm.arithmetic.softmax import LOGIT_BITS, softmax
from edge_lstm.integer import Decoding
from edge_lstm_export.c_source import write_c

RANDOM = np.random.default_rng(0).integers(-32768, 32768, (400, 5))
CLOSE = np.random.default_rng(1).integers(-2000, 2000, (400, 5))
EDGES = np.array([[-32768, 32767, 0, 1, -1], [32767] * 5, [-32768] * 5, [0, 0, 0, 0, 1], [0, -1, -2, -3, -4]])
CODES = np.concatenate([RANDOM, CLOSE, EDGES])


@pytest.mark.parametrize("bits", [4, 9, 12, 15])
def test_probabilities_are_within_their_stated_error(bits: int) -> None:
    """2e-4: twice the error of drawing 2**-x straight between 33 points, and the rounding to 15 bits."""
    logits = CODES * 2.0**-bits
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    found = softmax(CODES, bits)
    assert np.abs(found / 32768 - exact).max() < 2e-4
    likeliest = np.take_along_axis(found, CODES.argmax(axis=1, keepdims=True), axis=1)
    assert np.array_equal(likeliest[:, 0], found.max(axis=1))


@pytest.mark.parametrize("bits", [LOGIT_BITS.start, 0, 7, 11, LOGIT_BITS.stop - 1])
def test_c_gives_the_same_probabilities(tmp_path: Path, bits: int) -> None:
    """At both ends of the range of steps as well."""
    model = replace(native_model(features=2, outputs=5), decoding=Decoding(2.0**-bits))
    units = place(tmp_path, {**write_c(model), "softmax.c": (PROGRAMS / "softmax.c").read_bytes()})
    run(["gcc", "-std=c99", *WARNINGS, "-fsanitize=undefined", "-o", "softmax", *units], tmp_path)
    given = CODES.astype("<i2").tobytes()
    found = np.frombuffer(run(["./softmax"], tmp_path, given).stdout, np.uint16).reshape(CODES.shape)
    assert np.array_equal(found, softmax(CODES, bits))


@pytest.mark.parametrize(("kind", "scale"), [("regress", 2.0**-10), ("classify", 0.3), ("classify", 2.0**-40)])
def test_only_logits_have_probabilities(kind: str, scale: float) -> None:
    """Targets have none, and steps outside the arithmetic give no wrong ones."""
    model = replace(native_model(features=2, outputs=3, kind=kind), decoding=Decoding(scale))
    assert "el_softmax(" not in write_c(model)["model.h"].decode()
