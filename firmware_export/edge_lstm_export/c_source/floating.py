"""``model.h`` and ``model.c`` of a float model: its weights as float32."""

from __future__ import annotations

import numpy as np

from edge_lstm.model import FloatModel, LstmWeights
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.blueprint import float_state_bytes, physical_gains, require_counts, table
from edge_lstm_export.c_source.header import FLOAT, model_header, model_stem
from edge_lstm_export.c_source.literals import array, prefix_name, strings
from edge_lstm_export.c_source.packing import interleaved, unit_by_unit


def write_c_float(model: FloatModel, prefix: str = "el") -> dict[str, bytes]:
    """C sources of a float model: file name → contents, the same for the same model.

    Args:
        prefix: begins every public name of the model; models of different prefixes link into one program.

    Raises:
        ExportError: if a name or number of the model has no place in C, or the prefix is not usable.
    """
    units, stem = [layer.units for layer in model.layers], model_stem(prefix_name(prefix))
    require_counts(model.interface, units)
    title = f"LSTM {' + '.join(map(str, units))} in float32"
    sizes = f"{4 * model.parameters:,} bytes of constants, {float_state_bytes(units):,} bytes of state a stream"
    return {
        **kernels.kernel_files(kernels.FLOAT_FILES),
        f"{stem}.c": _constants(model, prefix).encode(),
        f"{stem}.h": model_header(
            prefix,
            FLOAT,
            model.interface,
            title,
            sizes,
            units,
            scratch=f"float next[{max(units)}]",
            libraries=" Link with libm.",
        ),
    }


def _constants(model: FloatModel, prefix: str) -> str:
    parts = [f'/* Constants, written by edge-lstm. Do not edit. */\n#include "{model_stem(prefix)}.h"\n']
    for index, layer in enumerate(model.layers):
        parts += _layer(index, layer)
    rows = [f"{{layer_{k}_weights, layer_{k}_bias, {x.features}, {x.units}}}" for k, x in enumerate(model.layers)]
    p, head = prefix.upper(), model.head
    parts += [
        array("float", "head_weights", head.weights, f"(outputs, units) = {head.weights.shape}"),
        array("float", "head_bias", head.bias, "(outputs)"),
        "/* weights, bias, features, units */\n" + table("el_float_lstm", "layers", rows),
        f"const el_float_net {prefix}_model = {{layers, head_weights, head_bias, "
        f"{p}_LAYERS, {p}_UNITS, {p}_CHANNELS, {p}_OUTPUTS}};\n",
        *_scalers(model, prefix),
    ]
    return "\n".join(parts)


def _layer(index: int, layer: LstmWeights) -> list[str]:
    rows = np.concatenate([layer.kernel, layer.recurrent], axis=2).reshape(4 * layer.units, -1)
    packed = interleaved(rows)
    return [
        f"/* Layer {index}: {layer.features} features, {layer.units} units. */\n",
        array("float", f"layer_{index}_weights", packed, f"(units, columns, gates) = {packed.shape}"),
        array("float", f"layer_{index}_bias", unit_by_unit(layer.bias.reshape(-1)), "(units, gates)"),
    ]


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
