"""Cores with the DSP extension (Cortex-M4, M7, M33): two rows a halfword, a step in assembly for each layer's shape."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_export.c_source.kernel_sets.base import (
    Array,
    Constant,
    KernelSet,
    Written,
    bytes_of,
    declare,
    instantiate,
)
from edge_lstm_export.c_source.kernel_sets.dsp_gru import GRU
from edge_lstm_export.c_source.kernel_sets.dsp_words import int32, shared_bias, shared_words
from edge_lstm_export.c_source.packing import padded, unit_by_unit

_SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")
_FILES = ("el_dsp.h", "el_dsp_asm.h", "el_dsp_sigmoid.c", "el_head_dsp.h")
_LAYER_BYTES = 5 * 4
"""Of an ``el_dsp_lstm``."""

_LOW, _HIGH = [0, 2], [1, 3]
"""Gates i and g lie in the low byte of a halfword, f and o in the high one."""

_MULTIPLIER_SHIFTS = range(24)
"""``m << k`` fits 31 bits."""


@dataclass(frozen=True)
class Scaling:
    """How sums meet SMMUL, which keeps the high word of a product.

    Args:
        up: sums of i and g are shifted left by it; k is then ``32 - up - s``.
        down: sums of f and o come out times 256 and are shifted right by it; k is then ``24 + down - s``.
        spread: no ``up`` and ``down`` serve all shifts of the layer: sums are multiplied and shifted as they are.
        steep: pre-activations may outgrow 30 bits.
    """

    up: int
    down: int
    spread: bool
    steep: bool


def scaling(layer: NativeLstm) -> Scaling:
    """The fewest instructions that requantise every row of a layer exactly."""
    shift = np.concatenate([unit_by_unit(block.shift) for block in layer.blocks])
    low, high = shift[:, _LOW], shift[:, _HIGH]
    up, down = max(0, 9 - int(low.min())), max(0, int(high.max()) - 24)
    k = [32 - up - low.min(), 32 - up - low.max(), 24 + down - high.min(), 24 + down - high.max()]
    steep = bool(shift.min() < 3)
    if all(each in _MULTIPLIER_SHIFTS for each in k):
        return Scaling(up, down, False, steep)
    return Scaling(0, 8, True, steep)


def write_layer(layer: NativeLstm, name: str) -> Written:
    """An ``el_dsp_lstm`` and the kernel for the layer's shape."""
    chosen = scaling(layer)
    stream = np.concatenate([_words(block, chosen) for block in _blocks(layer)], axis=1)
    constants = [Constant("int32_t", "stream", int32(stream), f"(units, words) = {stream.shape}; see el_dsp.h")]
    members = [
        f"{name}_stream + {stream.size}",
        "el_dsp_sigmoid + 64",
        f"{1 << 22}L",
        f"{1 << 28 - layer.hidden_bits}L",
        f"{name}_stream",
    ]
    shape = {"features": layer.features, "units": layer.units, "hidden_bits": layer.hidden_bits, **vars(chosen)}
    text = [
        declare(name, constants),
        f"static const el_dsp_lstm {name}_constants = {{{', '.join(members)}}};\n",
        instantiate(f"el_lstm_dsp_{layer.scheme}.h", name, {key: int(value) for key, value in shape.items()}),
    ]
    return Written("\n".join(text), f"{name}_step", f"&{name}_constants", bytes_of(constants) + _LAYER_BYTES)


def write_head(head: Affine, name: str) -> Written:
    """(pairs of rows, words), and the kernel for the head's shape."""
    outputs, units = head.weights.shape
    pairs = [_pairs_of_rows(values) for values in (head.weights, head.bias, head.multiplier, head.shift)]
    weights, bias, multiplier, shift = pairs
    stream = np.concatenate([shared_bias(bias), shared_words(weights), multiplier, shift], axis=1)
    constants = [Constant("int32_t", "stream", int32(stream), f"(pairs of rows, words) = {stream.shape}; see el_dsp.h")]
    kernel = instantiate("el_head_dsp.h", name, {"outputs": outputs, "units": units})
    return Written(f"{declare(name, constants)}\n{kernel}", f"{name}_apply", f"{name}_stream", bytes_of(constants))


def _blocks(layer: NativeLstm) -> list[Affine]:
    """Blocks in the order in which the kernel sums them, columns of h before those of x, each padded to pairs."""
    if layer.scheme == "w8a8":
        return [replace(block, weights=padded(block.weights, 2)) for block in reversed(layer.blocks)]
    (block,) = layer.blocks
    x, h = np.split(block.weights, [layer.features], axis=1)
    return [replace(block, weights=np.concatenate([padded(h, 2), padded(x, 2)], axis=1))]


def _words(block: Affine, chosen: Scaling) -> Array:
    """(4H rows) → (units, words): biases, weights, multipliers, and shifts where the kernel wants them."""
    weights, bias = unit_by_unit(block.weights), unit_by_unit(block.bias)
    multiplier, shift = unit_by_unit(block.multiplier), unit_by_unit(block.shift)
    units, _, columns = weights.shape
    shared = shared_words(weights.reshape(2 * units, 2, columns)).reshape(units, 2, -1)
    parts = [shared_bias(bias.reshape(2 * units, 2)).reshape(units, 4), np.swapaxes(shared, 1, 2).reshape(units, -1)]
    if chosen.spread:
        return np.concatenate([*parts, multiplier, shift], axis=1)
    k = np.array([32 - chosen.up, 24 + chosen.down] * 2) - shift
    return np.concatenate([*parts, multiplier.astype(np.int64) << k], axis=1)


def _pairs_of_rows(rows: Array) -> Array:
    """(R, ...) → (P, 2, ...), with a row of zeros if they are odd in number, and a column if those are."""
    even = [(0, size % 2) for size in rows.shape]
    return np.pad(rows, even).reshape(-1, 2, *(size + size % 2 for size in rows.shape[1:]))


DSP = KernelSet(
    name="dsp",
    files={scheme: (*_FILES, f"el_lstm_dsp_{scheme}.h") for scheme in _SCHEMES},
    headers=("el_dsp.h",),
    layer=write_layer,
    head=write_head,
    work_words=lambda layer: -(-layer.features // 2) + -(-layer.units // 2),
    cells={"gru": GRU},
)
