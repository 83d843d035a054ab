"""A step of the C library from Python: whatever holds the codes, the same step; whatever cannot be codes, refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import library, random_codes, random_native
from models import float_model
from numpy.typing import NDArray

from edge_lstm.errors import InputError
from edge_lstm.reference import network, replay
from edge_lstm.runtimes.c_library import CLibrary

MODEL = random_native(9, 4, (5,), 3)
CODES = random_codes(MODEL, 30)

HOLDERS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "int16": lambda row: row.astype(np.int16),
    "int64": lambda row: row,
    "big-endian": lambda row: row.astype(">i2"),
    "every second of an array": lambda row: np.repeat(row.astype(np.int16), 2)[::2],
    "read-only": lambda row: np.frombuffer(row.astype(np.int16).tobytes(), np.int16),
    "float64": lambda row: row.astype(np.float64),
    "list": lambda row: row.tolist(),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> CLibrary:
    return library(tmp_path_factory.mktemp("library"), MODEL)


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_step_takes_codes_from_anything(loaded: CLibrary, holder: str) -> None:
    """The fast way for int16 arrays and the way for all others give the reference's outputs."""
    loaded.reset()
    steps = [loaded.step(HOLDERS[holder](row)) for row in CODES]
    assert np.array_equal(steps, replay(network(MODEL), [CODES])[0])


def test_every_step_gives_an_array_of_its_own(loaded: CLibrary) -> None:
    """An answer that is kept, or written to, is not touched by later steps and does not touch them."""
    loaded.reset()
    expected = replay(network(MODEL), [CODES])[0]
    first = loaded.step(CODES[0])
    kept = first.copy()
    first += 1
    assert np.array_equal(loaded.step(CODES[1]), expected[1])
    assert np.array_equal(first, kept + 1)


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        (np.zeros((1, 4), np.int16), r"shape \(1, 4\); expected \(4,\)"),
        (np.zeros(5, np.int16), r"shape \(5,\); expected \(4,\)"),
        (np.int16(0), r"shape \(\); expected \(4,\)"),
        (np.array([0, 0, 0, 65536]), "holds codes 0..65536"),
        (np.array([0, 0, -32769, 0], np.int32), "holds codes -32769..0"),
        (np.array([0, 0, 40000, 0], np.uint16), "holds codes 0..40000"),
    ],
)
def test_what_cannot_be_codes_is_refused(loaded: CLibrary, codes: Any, complaint: str) -> None:
    """A wrong shape and a code beyond int16 are refused; the state is then as it was."""
    before = loaded.get_state()
    with pytest.raises(InputError, match=complaint):
        loaded.step(codes)
    assert all(np.array_equal(a, b) for a, b in zip(before[0], loaded.get_state()[0], strict=True))


def test_a_float_library_takes_samples_of_any_width(tmp_path: Path) -> None:
    """float64 and float32 of the same values are the same step."""
    runtime = library(tmp_path, float_model(features=4))
    samples = np.random.default_rng(0).normal(0, 1, (20, 4)).astype(np.float32)
    narrow = [runtime.step(row) for row in samples]
    runtime.reset()
    assert np.array_equal(narrow, [runtime.step(row.astype(np.float64)) for row in samples])
