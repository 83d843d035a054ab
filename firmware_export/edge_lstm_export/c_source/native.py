"""``model.h`` and ``model.c`` of an integer model: constants for the native kernels. Nothing is rounded here."""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.native import NARROW_SHIFTS
from edge_lstm.errors import ExportError
from edge_lstm.integer import Affine, NativeModel
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.blueprint import physical_gains, require_counts, state_bytes, table
from edge_lstm_export.c_source.header import NATIVE, model_header, model_stem
from edge_lstm_export.c_source.layouts import Array, KernelSet, kernel_set, unit_by_unit
from edge_lstm_export.c_source.literals import array, integer, prefix_name, require_within, strings

SIGMOID_BYTES = 512


def write_c(model: NativeModel, prefix: str = "el", kernel_set_name: str = "portable") -> dict[str, bytes]:
    """C sources of an integer model: file name → contents, the same for the same model.

    Args:
        prefix: begins every public name of the model; models of different prefixes link into one program.
        kernel_set_name: a row of ``KERNEL_SETS``.

    Raises:
        ExportError: if a name or number of the model has no place in C, or prefix or kernel set is not usable.
    """
    _require_ranges(model)
    chosen, stem, units = kernel_set(kernel_set_name), model_stem(prefix_name(prefix)), [x.units for x in model.layers]
    sizes = f"{constant_bytes(model):,} bytes of constants, {state_bytes(units):,} bytes of state a stream"
    title = f"LSTM {' + '.join(map(str, units))} in integers ({model.scheme})"
    header = model_header(prefix, NATIVE, model.interface, title, sizes, units)
    return {
        **kernels.kernel_files(sorted({*kernels.NATIVE_FILES, *chosen.files[model.scheme]})),
        f"{stem}.c": _constants(model, prefix, chosen).encode(),
        f"{stem}.h": header,
    }


def constant_bytes(model: NativeModel) -> int:
    """Weights, row constants and the sigmoid table, without the encoding of the inputs and the names."""
    return SIGMOID_BYTES + sum(block.weights.size + 6 * len(block.bias) for block in _blocks(model))


def _require_ranges(model: NativeModel) -> None:
    encoding, interface = model.encoding, model.interface
    require_counts(interface, [layer.units for layer in model.layers])
    for what, values, low, high in (
        ("input code", [encoding.low.min(), encoding.high.max(), encoding.zero, model.decoding.zero], -32768, 32767),
        ("multiplier", np.concatenate([block.multiplier for block in _blocks(model)]), 128, 255),
        (
            "shift",
            np.concatenate([block.shift for block in _blocks(model)]),
            NARROW_SHIFTS.start,
            NARROW_SHIFTS.stop - 1,
        ),
        ("hidden bits", [layer.hidden_bits for layer in model.layers], 7, 12),
    ):
        require_within(what, values, low, high)
    if len({layer.scheme for layer in model.layers}) > 1:
        raise ExportError("the layers have different schemes; quantise the whole model under one")


def _blocks(model: NativeModel) -> list[Affine]:
    return [block for layer in model.layers for block in layer.blocks] + [model.head]


def _constants(model: NativeModel, prefix: str, chosen: KernelSet) -> str:
    parts = [f'/* Constants, written by edge-lstm. Do not edit. */\n#include "{model_stem(prefix)}.h"\n']
    for index, layer in enumerate(model.layers):
        parts.append(f"/* Layer {index}: {layer.features} features, {layer.units} units. */\n")
        for number, block in enumerate(layer.blocks):
            name = f"layer_{index}_{number}"
            shape = (layer.units, block.weights.shape[1], 4)
            parts.append(array("int8_t", f"{name}_weights", chosen.pack(block.weights), f"{chosen.shape} = {shape}"))
            parts += _row_constants(name, [unit_by_unit(a) for a in _rows_of(block)], "(units, gates)")
        parts.append(
            table("el_rows", f"layer_{index}", [_rows(f"layer_{index}_{k}") for k in range(len(layer.blocks))])
        )
    head = model.head
    parts.append("/* Head. */\n")
    parts.append(array("int8_t", "head_weights", head.weights, f"(outputs, units) = {head.weights.shape}"))
    parts += _row_constants("head", _rows_of(head), "(outputs)")
    parts.append(_layers(model, chosen))
    parts.append(_net(prefix))
    parts += _codec(model, prefix)
    return "\n".join(parts)


def _rows_of(block: Affine) -> list[Array]:
    return [block.bias, block.multiplier, block.shift]


def _row_constants(name: str, values: list[Array], shape: str) -> list[str]:
    names = (("int32_t", "bias"), ("uint8_t", "multiplier"), ("uint8_t", "shift"))
    return [array(kind, f"{name}_{what}", value, shape) for (kind, what), value in zip(names, values, strict=True)]


def _rows(name: str) -> str:
    return f"{{{name}_weights, {name}_bias, {name}_multiplier, {name}_shift}}"


def _layers(model: NativeModel, chosen: KernelSet) -> str:
    function = chosen.functions[model.scheme]
    rows = [
        f"{{{function}, layer_{index}, {layer.features}, {layer.units}, {layer.hidden_bits}}}"
        for index, layer in enumerate(model.layers)
    ]
    return "/* kernel, blocks, features, units, hidden_bits */\n" + table("el_lstm", "layers", rows)


def _net(prefix: str) -> str:
    p = prefix.upper()
    return (
        f"const el_net {prefix}_model = "
        f"{{layers, {_rows('head')}, {p}_LAYERS, {p}_UNITS, {p}_WIDEST, {p}_CHANNELS, {p}_OUTPUTS}};\n"
    )


def _codec(model: NativeModel, prefix: str) -> list[str]:
    encoding, decoding, interface = model.encoding, model.decoding, model.interface
    gain, offset = physical_gains(interface, decoding.scale)
    zero_in, zero_out, p = integer(encoding.zero), integer(decoding.zero), prefix.upper()
    return [
        "/* Inputs and outputs. */\n",
        array("float", "encoding_offset", encoding.offset, "(channels) physical unit"),
        array("float", "encoding_gain", encoding.gain, "(channels) codes to the physical unit"),
        array("int16_t", "encoding_low", encoding.low, "(channels)"),
        array("int16_t", "encoding_high", encoding.high, "(channels)"),
        f"const el_encoder {prefix}_encoding = "
        f"{{encoding_offset, encoding_gain, encoding_low, encoding_high, {zero_in}, {p}_CHANNELS}};\n",
        array("float", "decoding_gain", gain, "(outputs) physical unit to the code"),
        array("float", "decoding_offset", offset, "(outputs) physical unit"),
        f"const el_decoder {prefix}_decoding = {{decoding_gain, decoding_offset, {zero_out}, {p}_OUTPUTS}};\n",
        strings(f"{prefix}_channels", interface.channels),
        strings(f"{prefix}_outputs", interface.task.outputs),
    ]
