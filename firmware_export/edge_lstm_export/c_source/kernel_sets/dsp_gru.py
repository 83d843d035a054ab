"""GRU layers on cores with the DSP extension: two units at a time, in the order ``el_gru_dsp.h`` reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_lstm.arithmetic.native import SHIFTS
from edge_lstm.integer import Affine, NativeGru
from edge_lstm_export.c_source.kernel_sets.base import (
    Array,
    CellKernel,
    Constant,
    Written,
    bytes_of,
    declare,
    instantiate,
)
from edge_lstm_export.c_source.kernel_sets.dsp_words import int32, shared_bias, shared_words
from edge_lstm_export.c_source.packing import padded

_LAYER_BYTES = 7 * 4
"""Of an ``el_dsp_gru``."""

_PLAIN_FEATURES = 8
"""Rows over so few features share no halfwords: a feature takes 3 bytes more of a unit, and 1 instruction less."""

_ROWS_OF_PAIR = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1))
"""(gate, unit) of the rows of two units: z r z' r' n n'."""

_GATES, _CANDIDATES = slice(0, 4), slice(4, 6)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Rows of two units each, (P, R, ...); an odd unit is paired with noughts."""

    weights: Array
    bias: Array
    multiplier: Array
    shift: Array

    @staticmethod
    def of(block: Affine) -> _Pairs:
        """Columns are padded to words."""
        return _Pairs(*map(_paired, (padded(block.weights, 2), block.bias, block.multiplier, block.shift)))

    def rows(self, which: slice) -> _Pairs:
        return _Pairs(*(values[:, which] for values in vars(self).values()))


def _serves(layer: NativeGru) -> bool:
    """Whether all shifts are those that one SMMUL applies."""
    return all(int(shift) in SHIFTS for block in layer.blocks for shift in block.shift)


def _write(layer: NativeGru, name: str) -> Written:
    """An ``el_dsp_gru`` and the kernel for the layer's shape."""
    plain = layer.features <= _PLAIN_FEATURES
    shared = layer.blocks[1:] if plain else layer.blocks
    down = max(0, *(int(block.shift.max()) - 24 for block in shared))
    over_x, over_h = map(_Pairs.of, layer.blocks)
    pack_x = _plain if plain else _shared
    parts = [
        _shared(over_h.rows(_CANDIDATES), down, _downwards),
        pack_x(over_x.rows(_CANDIDATES), down, _downwards),
        pack_x(over_x.rows(_GATES), down, _upwards),
        _shared(over_h.rows(_GATES), down, _upwards),
    ]
    stream = np.concatenate(parts, axis=1)
    constants = [
        Constant("int32_t", "stream", int32(stream), f"(pairs of units, words) = {stream.shape}; see el_dsp.h")
    ]
    members = [
        "el_dsp_sigmoid + 64",
        f"{1 << 14}L",
        f"{1 << 9}L",
        f"-{1 << 23}L",
        f"{1 << 9 + layer.hidden_bits}L",
        f"{name}_stream + {stream.size}",
        f"{name}_stream",
    ]
    shape = {
        "features": layer.features,
        "units": layer.units,
        "scale_bits": 12 - layer.row_bits,
        "narrow": layer.scheme == "w8a8",
        "plain": plain,
        "down": down,
        "calm_gates": _is_calm(over_h.rows(_GATES), layer.hidden_limit),
        "calm_candidates": _is_calm(over_h.rows(_CANDIDATES), layer.hidden_limit),
    }
    text = [
        declare(name, constants),
        f"static const el_dsp_gru {name}_constants = {{{', '.join(members)}}};\n",
        instantiate("el_gru_dsp.h", name, {key: int(value) for key, value in shape.items()}),
    ]
    return Written("\n".join(text), f"{name}_step", f"&{name}_constants", bytes_of(constants) + _LAYER_BYTES)


def _paired(rows: Array) -> Array:
    """(3H, ...) gate by gate → (P, 6, ...)."""
    gates = rows.reshape(3, -1, *rows.shape[1:]).astype(np.int64)
    even = np.concatenate([gates, np.zeros_like(gates[:, : gates.shape[1] % 2])], axis=1)
    return np.stack([even[gate, unit::2] for gate, unit in _ROWS_OF_PAIR], axis=1)


def _is_calm(rows: _Pairs, limit: int) -> bool:
    """Whether no codes within ±limit take a row to where it saturates."""
    reach = np.abs(rows.weights).sum(axis=2) * limit + np.abs(rows.bias)
    return bool((rows.multiplier * reach < np.int64(1) << (15 + rows.shift)).all())


def _shared(rows: _Pairs, down: int, order: Callable[[Array], Array]) -> Array:
    """(P, words): biases, weights two rows a halfword, and what SMMUL multiplies sums with."""
    pairs, count, columns = rows.weights.shape
    words = order(shared_words(rows.weights.reshape(-1, 2, columns)).reshape(pairs, count // 2, -1))
    bias = shared_bias(rows.bias.reshape(-1, 2)).reshape(pairs, count)
    multiplier = rows.multiplier << np.array([32, 24 + down] * (count // 2)) - rows.shift
    return np.concatenate([bias, np.swapaxes(words, 1, 2).reshape(pairs, -1), multiplier], axis=1)


def _plain(rows: _Pairs, _down: int, _order: Callable[[Array], Array]) -> Array:
    """(P, words): as above, but a row's weights after another's, two columns a word."""
    weights = rows.weights & 0xFFFF
    words = (weights[..., 0::2] | weights[..., 1::2] << 16).reshape(len(weights), -1)
    return np.concatenate([rows.bias, words, rows.multiplier << 32 - rows.shift], axis=1)


def _upwards(words: Array) -> Array:
    return words


def _downwards(words: Array) -> Array:
    """Words (..., W) from the last to the first, four by four, what is over first; each four as they lie."""
    ends = range(words.shape[-1] - 1 & ~3, -1, -4)
    return np.concatenate([words[..., start : start + 4] for start in ends], axis=-1)


_FILES = ("el_gru_dsp.h", "el_asm.h")

GRU = CellKernel(
    files={"w8a16": _FILES, "w8a8": _FILES},
    layer=_write,
    work_words=lambda layer: -(-layer.features // 2) + -(-layer.units // 2),
    serves=_serves,
)
