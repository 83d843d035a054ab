"""``model.h`` and ``model.c`` of a float model: its weights as float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.model import (
    ArrayWeights,
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnWeights,
)
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.blueprint import (
    cells_line,
    float_scratch,
    float_state_bytes,
    physical_gains,
    require_counts,
    table,
)
from edge_lstm_export.c_source.header import FLOAT, model_header, model_stem
from edge_lstm_export.c_source.literals import array, prefix_name, strings
from edge_lstm_export.c_source.packing import Array


@dataclass(frozen=True, eq=False)
class _Packed:
    """A layer as its cell in C reads it.

    Args:
        cell: name of the step.
        weights, bias: in the order of the comment at the top of that file.
        weights_shape, bias_shape: that order in words.
        file: what names the file of the step, where that is not ``cell``.
        headers: those it includes and others do not.
    """

    cell: str
    weights: Array
    bias: Array
    weights_shape: str
    bias_shape: str
    file: str = ""
    headers: tuple[str, ...] = ()

    @property
    def in_files(self) -> tuple[str, ...]:
        return (f"el_{self.file or self.cell}_float.c", *self.headers)


def write_c_float(model: FloatModel, prefix: str = "el") -> dict[str, bytes]:
    """C sources of a float model: file name → contents, the same for the same model.

    Args:
        prefix: begins every public name of the model; models of different prefixes link into one program.

    Raises:
        ExportError: if a name or number of the model has no place in C, or the prefix is not usable.
    """
    stem = model_stem(prefix_name(prefix))
    require_counts(model.interface, model.layers)
    packed = [_packed(layer) for layer in model.layers]
    title, both = f"{cells_line(model.layers)} in float32", [half for halves in packed for half in halves.values()]
    constants = sum(x.weights.size + x.bias.size for x in both) + model.head.weights.size + model.head.bias.size
    files = {name for layer in both for name in layer.in_files}
    files |= {_LOOK_AHEAD_FILE} if any(len(halves) > 1 for halves in packed) else set()
    sizes = f"{4 * constants:,} bytes of constants, {float_state_bytes(model.layers):,} bytes of state a stream"
    return {
        **kernels.kernel_files([*kernels.FLOAT_FILES, *sorted(files)]),
        f"{stem}.c": _constants(model, packed, prefix).encode(),
        f"{stem}.h": model_header(
            prefix,
            FLOAT,
            model.interface,
            title,
            sizes,
            model.layers,
            scratch=f"float next[{float_scratch(model.layers)}]",
            libraries=" Link with libm.",
        ),
    }


_LOOK_AHEAD_FILE = "el_look_ahead_float.c"


def _packed(layer: CellWeights) -> dict[str, _Packed]:
    """What a layer is made of, by what is added to its name: the halves of one that looks ahead."""
    if isinstance(layer, BidirectionalWeights):
        return {f"_{name}": _PACK[type(half)](half) for name, half in layer.named_halves.items()}
    return {"": _PACK[type(layer)](layer)}


def _constants(model: FloatModel, packed: list[dict[str, _Packed]], prefix: str) -> str:
    parts = [f'/* Constants, written by edge-lstm. Do not edit. */\n#include "{model_stem(prefix)}.h"\n']
    rows = []
    for index, (layer, halves) in enumerate(zip(model.layers, packed, strict=True)):
        parts.append(f"/* Layer {index}: {layer.cell.upper()}, {layer.features} features, {layer.units} units. */\n")
        for half, arrays in halves.items():
            name = f"layer_{index}{half}"
            parts.append(array("float", f"{name}_weights", arrays.weights, arrays.weights_shape))
            parts.append(array("float", f"{name}_bias", arrays.bias, arrays.bias_shape))
        if isinstance(layer, BidirectionalWeights):
            both = [_row(f"layer_{index}{name}", halves[name], layer.forward) for name in halves]
            carried = layer.forward.cells if isinstance(layer.forward, LstmWeights) else 0
            members = f"{', '.join(both)}, {layer.look_ahead}, {carried}"
            parts.append(f"static const el_float_pair layer_{index}_halves = {{{members}}};\n")
            shape = f"{layer.features}, {layer.units}, {layer.cells}"
            rows.append(f"{{el_float_look_ahead, NULL, NULL, {shape}, &layer_{index}_halves}}")
        else:
            rows.append(_row(f"layer_{index}", halves[""], layer))
    p, head = prefix.upper(), model.head
    parts += [
        array("float", "head_weights", head.weights, f"(outputs, units) = {head.weights.shape}"),
        array("float", "head_bias", head.bias, "(outputs)"),
        "/* step, weights, bias, features, units, cells, halves */\n" + table("el_float_layer", "layers", rows),
        f"const el_float_net {prefix}_model = {{layers, head_weights, head_bias, "
        f"{p}_LAYERS, {p}_UNITS, {p}_CHANNELS, {p}_OUTPUTS, {p}_CELLS}};\n",
        *_scalers(model, prefix),
    ]
    return "\n".join(parts)


def _row(name: str, arrays: _Packed, layer: ArrayWeights) -> str:
    """The members of an ``el_float_layer``."""
    shape = f"{layer.features}, {layer.units}, {layer.cells}"
    return f"{{el_float_{arrays.cell}, {name}_weights, {name}_bias, {shape}, NULL}}"


def _lstm(layer: LstmWeights) -> _Packed:
    return _Packed(
        "lstm", _unit_by_unit(_rows(layer)), _unit_by_unit(layer.bias), "(units, columns, i f g o)", "(units, i f g o)"
    )


def _peephole_lstm(layer: PeepholeLstmWeights) -> _Packed:
    return _Packed(
        "lstm_peephole",
        _unit_by_unit(_rows(layer)),
        _unit_by_unit(np.concatenate([layer.bias, layer.peephole])),
        "(units, columns, i f g o)",
        "(units, i f g o and p of i f o)",
    )


def _gru(layer: GruWeights) -> _Packed:
    rows = _rows(layer)
    if layer.reset_after:
        biases = np.concatenate([layer.bias, layer.reset_bias[None]])
        return _Packed(
            "gru", _unit_by_unit(rows), _unit_by_unit(biases), "(units, columns, z r n)", "(units, z r n and b_h)"
        )
    return _Packed(
        "gru_before",
        np.concatenate([_unit_by_unit(rows[:2]).ravel(), rows[2].ravel()]),
        np.concatenate([_unit_by_unit(layer.bias[:2]).ravel(), layer.bias[2]]),
        "(units, columns, z r), then (units, columns) of n",
        "(units, z r), then (units) of n",
    )


def _rnn(layer: RnnWeights) -> _Packed:
    cell = "rnn" if layer.activation == "tanh" else "rnn_relu"
    return _Packed(cell, _rows(layer), layer.bias, "(units, columns)", "(units)")


def _fastgrnn(layer: FastGrnnWeights) -> _Packed:
    bias = np.append(_unit_by_unit(layer.bias), [layer.zeta, layer.nu])
    return _Packed("fastgrnn", _rows(layer), bias, "(units, columns)", "(units, z n), then zeta and nu")


def _dense(layer: DenseLayerWeights) -> _Packed:
    cell = layer.cell
    headers = ("el_dense_float.h",)
    return _Packed(f"{cell}_{layer.activation}", layer.kernel, layer.bias, "(units, columns)", "(units)", cell, headers)


_PACK: dict[type[CellWeights], Callable[[Any], _Packed]] = {
    LstmWeights: _lstm,
    PeepholeLstmWeights: _peephole_lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
    FastGrnnWeights: _fastgrnn,
    DenseLayerWeights: _dense,
    ConvWeights: _dense,
}
"""How each kind of layer is packed."""


def _rows(layer: RecurrentWeights) -> Array:
    """(G, H, F + H): what is multiplied with x and h side by side."""
    return np.concatenate([layer.kernel, layer.recurrent], axis=2)


def _unit_by_unit(gates: Array) -> Array:
    """(G, H, ...) → (H, ..., G): what one unit needs lies together, and a value is loaded once for all gates."""
    return np.ascontiguousarray(np.moveaxis(gates, 0, -1))


def _scalers(model: FloatModel, prefix: str) -> list[str]:
    interface, p = model.interface, prefix.upper()
    gain, offset = physical_gains(interface)
    return [
        "/* Inputs and outputs. */\n",
        array("float", "encoding_offset", interface.scaling.offset, "(channels) physical unit"),
        array("float", "encoding_gain", 1.0 / interface.scaling.scale, "(channels) per physical unit"),
        f"const el_float_scaler {prefix}_encoding = {{encoding_offset, encoding_gain, {p}_CHANNELS}};\n",
        array("float", "decoding_offset", offset, "(outputs) physical unit"),
        array("float", "decoding_gain", gain, "(outputs) physical unit"),
        f"const el_float_scaler {prefix}_decoding = {{decoding_offset, decoding_gain, {p}_OUTPUTS}};\n",
        strings(f"{prefix}_channels", interface.channels),
        strings(f"{prefix}_outputs", interface.task.outputs),
    ]
