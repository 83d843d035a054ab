"""Between physical units and codes, C and the Python rule agree to the last bit."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import NATIVE_COMPILERS, PROGRAMS, compiler_name, library, place, random_native, run
from models import float_model, native_model
from numpy.typing import NDArray

from edge_lstm.integer import Encoding, NativeModel
from edge_lstm_export.c_source import write_c

FUSING = {"x86_64": ["-mfma"], "AMD64": ["-mfma"], "aarch64": [], "arm64": []}.get(platform.machine(), [])
"""Flags that give the compiler a fused multiply-add to be tempted by."""


def hostile_floats(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Every exponent and sign alike, infinities and denormals among them, but no NaN."""
    bits = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = [np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 2.0**24, -(2.0**24), 2.0**31, -(2.0**31)]
    bits[: len(special)] = special
    return np.where(np.isnan(bits), np.float32(0), bits).astype(np.float32)


def halves(encoding: Encoding, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Samples on the edge between two codes, and their neighbours."""
    codes = rng.integers(-40000, 40000, (count, len(encoding.gain))) + 0.5
    codes[: count // 2] = rng.integers(-3, 3, (count // 2, len(encoding.gain))) + 0.5
    edge = (codes / encoding.gain.astype(np.float64) + encoding.offset).astype(np.float32)
    return np.concatenate([edge, np.nextafter(edge, np.float32(np.inf)), np.nextafter(edge, np.float32(-np.inf))])


def samples(encoding: Encoding) -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    channels = len(encoding.gain)
    wild = hostile_floats(rng, 4000 * channels).reshape(-1, channels)
    return np.concatenate([wild, halves(encoding, rng, 4000)])


def expected_codes(encoding: Encoding, physical: NDArray[np.float32]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return encoding.encode(physical)


def test_codes_are_equal_on_hostile_samples(tmp_path: Any) -> None:
    """Huge, tiny, infinite and exactly halfway samples get the code that ``Encoding.encode`` gives."""
    model = native_model(features=6)
    physical = samples(model.encoding)
    expected = expected_codes(model.encoding, physical)
    assert np.array_equal(library(tmp_path, model).encode(physical), expected)
    assert (expected == model.encoding.high).any()
    assert (expected == model.encoding.low).any()


UNDEFINED = ["-O1", "-g", "-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
CONTRACTING = ["-O3", *FUSING, "-ffp-contract=fast"]


@pytest.mark.parametrize("flags", [UNDEFINED, CONTRACTING], ids=["undefined", "contracting"])
@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
def test_codes_depend_on_no_compiler_flag(tmp_path: Path, compiler: list[str], flags: list[str]) -> None:
    """A compiler that may fuse operations still rounds each; no sample, NaN included, makes an undefined conversion."""
    model = edge_model()
    units = place(tmp_path, {**write_c(model), "encode.c": (PROGRAMS / "encode.c").read_bytes()})
    run([*compiler, "-std=gnu99", *flags, "-o", "encode", *units], tmp_path)
    physical = samples(model.encoding)
    physical[0] = np.nan
    codes = np.frombuffer(run(["./encode"], tmp_path, physical.tobytes()).stdout, np.int16).reshape(physical.shape)
    assert np.array_equal(codes[1:], expected_codes(model.encoding, physical[1:]))
    assert np.array_equal(codes[0], model.encoding.low)


def edge_model() -> NativeModel:
    """Channels without an offset: only there can a sample lie within a rounding of -1/2, where a fused sum shows."""
    channels = 24
    model = random_native(0, channels, (2,), 1)
    gain = np.random.default_rng(1).uniform(50, 5000, channels)
    return replace(model, encoding=replace(model.encoding, gain=gain))


def test_nan_gives_the_low_limit(tmp_path: Any) -> None:
    """A sensor that reports NaN moves the network as far as its lowest sample would, and nothing is undefined."""
    model = random_native(0, 3, (2,), 1)
    codes = library(tmp_path, model).encode(np.full((1, 3), np.nan, np.float32))
    assert np.array_equal(codes[0], model.encoding.low)


def test_decoding_gives_physical_targets(tmp_path: Any) -> None:
    """Decoded codes are the targets in physical units, to float32."""
    model = native_model(features=2, outputs=3, kind="regress")
    codes = np.random.default_rng(0).integers(-32768, 32768, (500, 3))
    expected = model.interface.target_scaling.undo(model.decoding.decode(codes))
    # Gain and offset are rounded to float32 once, product and sum once each: four roundings of 2**-24.
    bound = 4 * 2.0**-24 * (np.abs(expected) + np.abs(model.interface.target_scaling.offset))
    assert (np.abs(library(tmp_path, model).decode(codes) - expected) <= bound).all()


def test_decoding_of_a_label_model_gives_logits(tmp_path: Any) -> None:
    """Labels have no physical unit: the values are the logits, exact because the step is a power of two."""
    model = native_model(features=2, outputs=3)
    codes = np.random.default_rng(0).integers(-32768, 32768, (500, 3))
    assert np.array_equal(library(tmp_path, model).decode(codes), model.decoding.decode(codes))


def test_a_float_model_scales_as_python_does(tmp_path: Any) -> None:
    """Float C scales samples with a product where Python divides."""
    model = float_model(features=5)
    physical = np.random.default_rng(0).normal(0, 20, (300, 5)).astype(np.float32)
    expected = model.interface.scaling.apply(physical)
    scaling = model.interface.scaling
    # Offset, difference, gain and product are rounded once each; the first two before a cancellation.
    bound = 4 * 2.0**-24 * (np.abs(physical) + np.abs(scaling.offset)) / scaling.scale
    assert (np.abs(library(tmp_path, model).encode(physical) - expected) <= bound).all()
