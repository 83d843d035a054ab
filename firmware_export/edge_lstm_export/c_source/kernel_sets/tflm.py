"""Kernels of the arithmetic ``tflm``: what a set is, the integers of a layer as they take them, C99 for any core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_lstm.arithmetic.fused import RULES, Multiplier
from edge_lstm.errors import ExportError
from edge_lstm.integer import Int8, Int64, Quant, TfliteLstm
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, Written, bytes_of, declare
from edge_lstm_export.c_source.packing import interleaved, unit_by_unit

TFLM = RULES["tflm"]

_MULTIPLIER_LIMIT = 1 << 30
"""Of a sum, shifted left as its multiplier says: beyond, the int32 of TensorFlow Lite Micro overflows."""


@dataclass(frozen=True)
class TflmKernelSet:
    """The kernels of a family of cores; see ``KernelSet``.

    Args:
        name: the word a board file uses.
        files: beside those every model of this arithmetic has.
        headers: those of them that declare the kernels and what their constants are made of.
        layer: (layer, C name such as ``layer_0``) → C.
        work_words: scratch of a layer, in 4 bytes each; layers share the largest.
    """

    name: str
    files: tuple[str, ...]
    headers: tuple[str, ...]
    layer: Callable[[TfliteLstm, str], Written]
    work_words: Callable[[TfliteLstm], int]


@dataclass(frozen=True, eq=False)
class TflmRows:
    """Rows over one vector of int8 codes.

    Args:
        weights: (R, N).
        bias: (R,), the zero point of the codes folded in.
        multipliers: (mantissa, shift), each of as many rows as the others.
    """

    weights: Int8
    bias: Int64
    multipliers: tuple[Multiplier, ...]

    @property
    def largest(self) -> Int64:
        """(R,) the most that ``|weights v + bias|`` can be for any codes."""
        weights = self.weights.astype(np.int64)
        ends = np.stack([-128 * weights, 127 * weights])
        highest, lowest = ends.max(axis=0).sum(axis=1) + self.bias, ends.min(axis=0).sum(axis=1) + self.bias
        return np.asarray(np.maximum(np.abs(highest), np.abs(lowest)), np.int64)


def folded(weights: Int8, bias: Array, source: Quant, multipliers: tuple[Multiplier, ...]) -> TflmRows:
    """Rows over codes of ``source``.

    Raises:
        ExportError: if a sum can outgrow the int32 of the runtime whose bytes are wanted.
    """
    rows = TflmRows(weights, bias - source.zero * weights.sum(axis=1, dtype=np.int64), multipliers)
    lifted = rows.largest.reshape(len(multipliers), -1).max(axis=1) << [max(shift, 0) for _, shift in multipliers]
    if lifted.max() >= _MULTIPLIER_LIMIT:
        raise ExportError(
            f"a sum of int8 products reaches {int(lifted.max()):,} and TensorFlow Lite Micro overflows at "
            f"{_MULTIPLIER_LIMIT:,}; use fewer units, or --c-arithmetic native"
        )
    return rows


def gate_rows(layer: TfliteLstm) -> tuple[TflmRows, TflmRows]:
    """(4H, F) rows over x and (4H, H) rows over h, a multiplier a gate.

    Raises:
        ExportError: as ``folded``.
    """
    parts = (
        (layer.kernel, layer.bias, layer.input, layer.kernel_scale),
        (layer.recurrent, np.zeros_like(layer.bias), layer.hidden, layer.recurrent_scale),
    )
    over_x, over_h = (
        folded(
            weights.reshape(-1, weights.shape[2]),
            bias.reshape(-1),
            source,
            tuple(TFLM.gate_multiplier(scale, source.scale) for scale in scales),
        )
        for weights, bias, source, scales in parts
    )
    return over_x, over_h


def multiplier(pair: Multiplier) -> str:
    """The C of an ``el_tflm_multiplier``."""
    return f"{{{pair[0]}, {pair[1]}}}"


def write_layer(layer: TfliteLstm, name: str) -> Written:
    """An ``el_tflm_constants``, weights (units, columns, gates)."""
    blocks = dict(zip(("x", "h"), gate_rows(layer), strict=True))
    constants = []
    for key, rows in blocks.items():
        weights = interleaved(rows.weights)
        constants += [
            Constant("int8_t", f"{key}_weights", weights, f"(units, columns, gates) = {weights.shape}"),
            Constant("int32_t", f"{key}_bias", unit_by_unit(rows.bias), "(units, gates)"),
        ]
    structs = [
        f"{{{name}_{key}_weights, {name}_{key}_bias, {{{', '.join(map(multiplier, rows.multipliers))}}}}}"
        for key, rows in blocks.items()
    ]
    fields = [*structs, multiplier(TFLM.hidden_multiplier(layer.hidden)), str(layer.cell_exponent)]
    body = "".join(f"    {field},\n" for field in fields)
    text = f"{declare(name, constants)}\nstatic const el_tflm_constants {name}_constants = {{\n{body}}};\n"
    return Written(text, "el_lstm_tflm", f"&{name}_constants", bytes_of(constants))


PORTABLE = TflmKernelSet(
    name="portable",
    files=("el_lstm_tflm.c", "el_lstm_tflm.h", "el_tflm_sum_rows.c"),
    headers=("el_lstm_tflm.h",),
    layer=write_layer,
    work_words=lambda layer: -(-layer.units // 4),
)
