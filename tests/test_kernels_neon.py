"""NEON kernels on emulated cores that run Linux: equal bytes for any shape, and SDOT where the processor has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from board_nets import check_core, layout_of
from c_nets import random_codes, random_gated, random_native, with_ends
from numpy.typing import NDArray

from edge_lstm.board import load_core
from edge_lstm.integer import Affine, NativeLstm, NativeModel, Scheme
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.firmware.toolchain import TOOLCHAINS

CORES = ["cortex-a72", "cortex-a76", "cortex-a7"]
"""64 bits without SDOT, with it, and 32 bits."""

STACKS = [
    # features, units, outputs
    (3, (1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64), 1),
    (40, (33, 64, 17, 16, 15, 9, 8, 7, 3, 2, 1), 17),
    (1, (24, 1, 7), 9),
]
"""A layer's features are the units below it. A write past a layer's units would spoil the state of the next."""

COMPILERS = [
    (core, toolchain, level)
    for core in CORES
    for toolchain in load_core(core).toolchains
    if TOOLCHAINS[toolchain].command()
    for level in ("-O0", "-Os", "-O2", "-O3")
]


def with_shifts(model: NativeModel, shifts: Sequence[int]) -> NativeModel:
    """The model with these shifts in turn in every row of its layers."""

    def changed(block: Affine) -> Affine:
        return Affine(block.weights, block.bias, block.multiplier, np.resize(shifts, len(block.shift)))

    layers = tuple(replace(layer, blocks=tuple(map(changed, layer.blocks))) for layer in model.layers)
    return replace(model, layers=layers)


def uniform(weights: Any, bias: Any) -> Affine:
    """Rows whose pre-activation is a quarter of their sum."""
    return Affine(weights, bias, np.full(len(bias), 128), np.full(len(bias), 9))


def wide_codes_model() -> NativeModel:
    """Three inputs of all 16 bits."""
    rng = np.random.default_rng(3)
    features, units = 3, 9
    rows = uniform(rng.integers(-40, 41, (4 * units, features + units)), rng.integers(-(1 << 16), 1 << 16, 4 * units))
    head = uniform(rng.integers(-127, 128, (2, units)), np.zeros(2))
    return with_ends((NativeLstm((rows,), features, 12),), head, np.full(features, 32767))


def sweeping_model() -> NativeModel:
    """Sixteen units whose pre-activations are 16 x and the fifteen numbers after it, the same in every gate."""
    units = 16
    weights = np.zeros((4 * units, 1 + units))
    weights[:, 0] = 64
    rows = uniform(weights, np.tile(4 * np.arange(units), 4))
    return with_ends((NativeLstm((rows,), 1, 12),), uniform(np.ones((1, units)), np.zeros(1)), np.array([2048]))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
@pytest.mark.parametrize(("features", "units", "outputs"), STACKS)
def test_any_shape_gives_equal_bytes(
    core: str, scheme: Scheme, features: int, units: tuple[int, ...], outputs: int
) -> None:
    """Outputs and states of every layer and step are the reference's."""
    model = random_native(features, features, units, outputs, scheme)
    check_core(core, model, random_codes(model, 30))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("scheme", "formats"), [("w8a16", range(8, 13)), ("w8a8", range(7, 13))])
def test_any_hidden_format_gives_equal_bytes(core: str, scheme: Scheme, formats: range) -> None:
    """A layer of each: 8 to 12 fraction bits in w8a16; 7 to 12, saturated to int8, in w8a8."""
    model = random_native(1, 5, [11] * len(formats), 2, scheme, formats[-1])
    layers = zip(model.layers, formats, strict=True)
    model = replace(model, layers=tuple(replace(layer, hidden_bits=bits) for layer, bits in layers))
    check_core(core, model, random_codes(model, 30))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("scheme", "shifts"), [("w8a16", (9, 26)), ("w8a8", (1, 26, 9))])
def test_shifts_at_their_limits_give_equal_bytes(core: str, scheme: Scheme, shifts: tuple[int, ...]) -> None:
    """The least and the largest shift, side by side in one vector."""
    model = with_shifts(random_native(4, 6, (13,), 3, scheme), shifts)
    check_core(core, model, random_codes(model, 30))


@pytest.mark.parametrize("core", CORES)
def test_inputs_may_use_all_sixteen_bits(core: str) -> None:
    """SDOT takes bytes; both bytes of a code count, whatever its sign."""
    model = wide_codes_model()
    check_core(core, model, random_codes(model, 60))


@pytest.mark.parametrize("core", CORES)
def test_the_sigmoid_of_every_number_is_the_references(core: str) -> None:
    """All 65,536 pre-activations, once in every gate."""
    check_core(core, sweeping_model(), np.arange(-2048, 2048)[:, None])


@pytest.mark.parametrize(("core", "toolchain", "level"), COMPILERS)
def test_every_compiler_and_level_gives_equal_bytes(core: str, toolchain: str, level: str) -> None:
    """The assembly inside the C does not depend on what a compiler does around it."""
    for scheme in ("w8a16", "w8a8"):
        model = random_native(2, 9, (10, 8), 3, scheme)
        check_core(core, model, random_codes(model, 20), toolchain=toolchain, extra=[level])


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
@pytest.mark.parametrize(("cell", "units"), [("lstm", 32), ("gru", 64)])
def test_one_program_takes_sdot_where_the_processor_has_it(cell: str, units: int, scheme: Scheme) -> None:
    """Compiled for the smallest 64-bit core, it computes the same with fewer instructions on a Cortex-A76."""
    model = random_gated(1, 8, [(cell, units)], 1, scheme)
    core, codes = load_core("cortex-a53"), random_codes(model, 20)
    image = program(core, write_c(model, kernel_set_name="neon"))
    small, large = (
        emulate(replace(core, emulator={**core.emulator, "cpu": cpu}), image, layout_of(model), [codes], None)
        for cpu in ("cortex-a53", "cortex-a76")
    )
    assert np.array_equal(small.traces[0].outputs, large.traces[0].outputs)
    assert large.layer_count < 0.8 * small.layer_count


REACH: dict[tuple[str, Scheme], list[int]] = {
    ("cortex-a72", "w8a16"): [1031, 2643, 10868, 27999],
    ("cortex-a76", "w8a8"): [773, 1982, 8151, 20999],
}


@pytest.mark.parametrize(("core", "scheme"), REACH)
def test_steps_take_no_more_instructions_than_promised(core: str, scheme: Scheme) -> None:
    """The step of a layer, as the pinned compiler makes it, on four shapes."""
    shapes = [(8, 16), (8, 32), (40, 64), (10, 128)]
    for (features, units), most in zip(shapes, REACH[core, scheme], strict=True):
        model = random_native(1, features, (units,), 1, scheme)
        codes: NDArray[Any] = random_codes(model, 4)
        assert check_core(core, model, codes).layer_count <= most
