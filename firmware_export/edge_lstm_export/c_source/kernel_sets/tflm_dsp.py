"""The arithmetic ``tflm`` on cores with the DSP extension (Cortex-M4, M7, M33): a step in assembly for each layer."""

from __future__ import annotations

import numpy as np

from edge_lstm.errors import ExportError
from edge_lstm.integer import Int64, TfliteLstm
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, Written, bytes_of, declare, instantiate
from edge_lstm_export.c_source.kernel_sets.tflm import TFLM, TflmKernelSet, TflmRows, gate_rows
from edge_lstm_export.c_source.packing import padded, unit_by_unit

HIGH_LIMIT = 1 << 23
"""Of the sum of a row that is added up 256 times beside another one in a word of 32 bits."""

_LANES = (0, 2, 1, 3)
"""Columns as SXTB16 takes four bytes apart: two to a word."""


def write_layer(layer: TfliteLstm, name: str) -> Written:
    """(units, words) as ``el_lstm_tflm_dsp.h`` reads them, and that header for this layer."""
    over_x, over_h = gate_rows(layer)
    stream = np.concatenate([_words(rows) for rows in (over_x, over_h)], axis=1)
    constants = [Constant("int32_t", "stream", stream, f"(units, words) = {stream.shape}; see el_lstm_tflm_dsp.h")]
    hidden = TFLM.hidden_multiplier(layer.hidden)
    shape = {
        "features": layer.features,
        "units": layer.units,
        "cell_exponent": layer.cell_exponent,
        "hidden_zero": layer.hidden.zero,
        "hidden_mantissa": hidden[0],
        "hidden_shift": hidden[1],
    }
    for key, rows in (("x", over_x), ("h", over_h)):
        for gate, (mantissa, shift) in zip("ifgo", rows.multipliers, strict=True):
            shape |= {f"{key}_mantissa_{gate}": mantissa, f"{key}_shift_{gate}": shift}
    struct = f"static const el_tflm_dsp_constants {name}_constants = EL_TFLM_DSP_CONSTANTS({name}_stream);\n"
    text = f"{declare(name, constants)}\n{struct}\n{instantiate('el_lstm_tflm_dsp.h', name, shape)}"
    return Written(text, f"{name}_step", f"&{name}_constants", bytes_of(constants))


def _words(rows: TflmRows) -> Array:
    """(units, 4 + columns) words of two rows each: biases, then the weights of four columns after four."""
    _require_packable(rows)
    low, high = _paired(unit_by_unit(rows.bias))
    biases = np.stack([low + 256 * high, low], axis=2).reshape(len(low), -1)
    low, high = _paired(unit_by_unit(padded(rows.weights, 4)).astype(np.int64))
    halfwords = low + 256 * high
    fours = halfwords.reshape(*halfwords.shape[:2], -1, 4)[..., _LANES]
    words = (fours[..., 0::2] & 0xFFFF) | fours[..., 1::2] << 16
    weights = np.swapaxes(words, 1, 2).reshape(len(low), -1)
    return np.asarray(np.concatenate([biases, weights], axis=1), np.int32)


def _paired(by_gate: Int64) -> tuple[Int64, Int64]:
    """(H, 4, ...) → the rows that lie low, (H, 2, ...) of i and g, and those that lie high, of f and o."""
    return by_gate[:, 0::2], by_gate[:, 1::2]


def _require_packable(rows: TflmRows) -> None:
    _, high = _paired(unit_by_unit(rows.largest))
    if high.max() >= HIGH_LIMIT:
        raise ExportError(
            f"a row of {rows.weights.shape[1]} columns can sum to {int(high.max()):,}, two rows to a word hold less "
            f"than {HIGH_LIMIT:,}; use the portable kernels"
        )
    if rows.weights.min() < -127:
        raise ExportError("a weight is -128, two rows to a word hold -127 to 127; use the portable kernels")


TFLM_DSP = TflmKernelSet(
    name="dsp",
    files=("el_asm.h", "el_lstm_tflm_dsp.h", "el_tflm_dsp.h"),
    headers=("el_tflm_dsp.h",),
    layer=write_layer,
    # A word holds two codes, and columns come in fours.
    work_words=lambda layer: 2 * (-(-layer.features // 4) + -(-layer.units // 4)),
)
