"""``model.h`` and ``model.c`` of an integer model: constants for the native kernels. Nothing is rounded here."""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.native import ACCUMULATOR_LIMIT, NARROW_SHIFTS
from edge_lstm.errors import ExportError
from edge_lstm.integer import (
    Affine,
    NativeBidirectional,
    NativeCellLayer,
    NativeLayer,
    NativeLstm,
    NativeModel,
    TfliteModel,
)
from edge_lstm_export.c_source import kernels, look_ahead
from edge_lstm_export.c_source.blueprint import (
    cells_line,
    kept_bytes,
    physical_gains,
    require_counts,
    state_bytes,
    table,
)
from edge_lstm_export.c_source.gated import (
    COMMON_TABLE,
    gated_files,
    gated_headers,
    gated_work_words,
    is_common,
    write_gated,
)
from edge_lstm_export.c_source.header import NATIVE, model_header, model_stem, softmax_call
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.c_source.kernel_sets.base import Array, KernelSet, Written
from edge_lstm_export.c_source.literals import array, integer, prefix_name, require_within, strings

SIGMOID_BYTES = 512
_COUNTS = ("_LAYERS", "_UNITS", "_CHANNELS", "_OUTPUTS", "_CELLS")


def write_c(model: NativeModel, prefix: str = "el", kernel_set_name: str = "portable") -> dict[str, bytes]:
    """C sources of an integer model: file name → contents, the same for the same model.

    Args:
        prefix: begins every public name of the model; models of different prefixes link into one program.
        kernel_set_name: a row of ``KERNEL_SETS``.

    Raises:
        ExportError: if a name or number of the model has no place in C, or prefix or kernel set is not usable.
    """
    _require_ranges(model)
    chosen, stem = kernel_set(kernel_set_name), model_stem(prefix_name(prefix))
    constants, state = constant_bytes(model, chosen), native_state_bytes(model, chosen)
    header = model_header(
        prefix,
        NATIVE,
        model.interface,
        f"{cells_line(model.layers)} in integers ({model.scheme}), kernels {chosen.name}",
        f"{constants:,} bytes of constants, {state:,} bytes of state a stream",
        model.layers,
        scratch=f"int32_t work[{_work_words(model, chosen)}]",
        more=softmax_call(prefix, model.decoding.scale) if model.interface.task.predicts_labels else "",
    )
    return {
        **kernels.kernel_files(sorted(_files(model, chosen))),
        f"{stem}.c": _constants(model, prefix, chosen).encode(),
        f"{stem}.h": header,
    }


def _files(model: NativeModel, chosen: KernelSet) -> set[str]:
    gated = [gated_files(cell, chosen) for cell in _cells(model) if not isinstance(cell, NativeLstm)]
    ahead = look_ahead.FILES if any(isinstance(layer, NativeBidirectional) for layer in model.layers) else ()
    return {*kernels.NATIVE_FILES, *chosen.files[model.scheme], *ahead, *(name for files in gated for name in files)}


def _cells(model: NativeModel) -> list[NativeCellLayer]:
    """The layers, each half of a bidirectional one by itself."""
    return [cell for layer in model.layers for cell in _halves(layer)]


def _halves(layer: NativeLayer) -> tuple[NativeCellLayer, ...]:
    return (layer.forward, layer.backward) if isinstance(layer, NativeBidirectional) else (layer,)


def constant_bytes(model: NativeModel, chosen: KernelSet) -> int:
    """Weights, row constants and sigmoid tables, without the encoding of the inputs and the names."""
    rows = sum(written.bytes for written in (*_layers(model, chosen), _head(model, chosen)))
    return rows + SIGMOID_BYTES * _sigmoid_tables(model, chosen)


def _sigmoid_tables(model: NativeModel, chosen: KernelSet) -> int:
    """How many: a set whose table is another than that of the C of all sets needs both in some stacks."""
    if COMMON_TABLE in chosen.files[model.scheme]:
        return 1
    return len({not isinstance(cell, NativeLstm) and is_common(cell, chosen) for cell in _cells(model)})


def native_state_bytes(model: NativeModel, chosen: KernelSet) -> int:
    """``sizeof`` the state of one stream."""
    return state_bytes(kept_bytes(model.layers), _work_words(model, chosen))


def _work_words(model: NativeModel, chosen: KernelSet) -> int:
    return max(_words(layer, chosen) for layer in model.layers)


def _words(layer: NativeLayer, chosen: KernelSet) -> int:
    if isinstance(layer, NativeBidirectional):
        return look_ahead.own_words(layer) + max(_words(half, chosen) for half in _halves(layer))
    return chosen.work_words(layer) if isinstance(layer, NativeLstm) else gated_work_words(layer, chosen)


def _layers(model: NativeModel, chosen: KernelSet) -> list[Written]:
    return [_layer(layer, f"layer_{index}", chosen) for index, layer in enumerate(model.layers)]


def _layer(layer: NativeLayer, name: str, chosen: KernelSet) -> Written:
    if isinstance(layer, NativeBidirectional):
        halves = (_layer(getattr(layer, half), f"{name}_{half[0]}", chosen) for half in ("forward", "backward"))
        return look_ahead.write_look_ahead(layer, name, *halves)
    return chosen.layer(layer, name) if isinstance(layer, NativeLstm) else write_gated(layer, name, chosen)


def _head(model: NativeModel, chosen: KernelSet) -> Written:
    return chosen.head(model.head, "head")


def _require_ranges(model: NativeModel) -> None:
    encoding, interface = model.encoding, model.interface
    require_counts(interface, model.layers)
    for what, values, low, high in (
        ("input code", [encoding.low.min(), encoding.high.max(), encoding.zero, model.decoding.zero], -32768, 32767),
        ("weight", np.concatenate([block.weights.ravel() for block in _blocks(model)]), -127, 127),
        ("multiplier", np.concatenate([block.multiplier for block in _blocks(model)]), 128, 255),
        (
            "shift",
            np.concatenate([block.shift for block in _blocks(model)]),
            NARROW_SHIFTS.start,
            NARROW_SHIFTS.stop - 1,
        ),
        ("hidden bits", [layer.hidden_bits for layer in model.layers], 0, 12),
    ):
        require_within(what, values, low, high)
    if len({layer.scheme for layer in model.layers}) > 1:
        raise ExportError("the layers have different schemes; quantise the whole model under one")
    _require_accumulators(model)


def _require_accumulators(model: NativeModel) -> None:
    """Two sums share a word in some kernels, and all multiply one by 8 bits: 24 bits is what a sum may take."""
    codes = np.maximum(np.abs(model.encoding.low), np.abs(model.encoding.high)).astype(np.int64)
    for index, layer in enumerate(model.layers):
        for cell in _halves(layer):
            hidden = np.full(cell.units, cell.hidden_limit)
            joint = isinstance(cell, NativeLstm) and len(cell.blocks) == 1
            over_x = codes if isinstance(cell, NativeLstm) else np.tile(codes, cell.span)
            limits = [np.concatenate([codes, hidden])] if joint else [over_x, hidden, hidden]
            for block, limit in zip(cell.blocks, limits, strict=False):
                _require_narrow(f"layer {index}", block, limit)
        codes = np.full(layer.units, layer.hidden_limit)
    _require_narrow("the head", model.head, codes)


def _require_narrow(where: str, block: Affine, limit: Array) -> None:
    largest = int((np.abs(block.weights.astype(np.int64)) @ limit + np.abs(block.bias.astype(np.int64))).max())
    if largest >= ACCUMULATOR_LIMIT:
        raise ExportError(
            f"a row of {where} can sum {block.weights.shape[1]} columns to {largest:,}, and kernels take sums below "
            f"{ACCUMULATOR_LIMIT:,}; quantise the model again, with fewer columns or inputs of a smaller range"
        )


def _blocks(model: NativeModel) -> list[Affine]:
    return [block for cell in _cells(model) for block in cell.blocks] + [model.head]


def _constants(model: NativeModel, prefix: str, chosen: KernelSet) -> str:
    layers, head = _layers(model, chosen), _head(model, chosen)
    more = [gated_headers(cell, chosen) for cell in _cells(model) if not isinstance(cell, NativeLstm)]
    more += [(look_ahead.HEADER,) for layer in model.layers if isinstance(layer, NativeBidirectional)]
    headers = dict.fromkeys([f"{model_stem(prefix)}.h", *chosen.headers, *(name for each in more for name in each)])
    includes = [f'#include "{header}"\n' for header in headers]
    both = list(zip(layers, model.layers, strict=True))
    rows = [look_ahead.layer_row(layer, written) for written, layer in both]
    units, p = model.layers[-1].units, prefix.upper()
    return "\n".join(
        [
            "/* Constants, written by edge-lstm. Do not edit. */\n" + "".join(includes),
            *(f"{_title(index, layer)}\n{written.text}" for index, (written, layer) in enumerate(both)),
            f"/* Head. */\n\n{head.text}",
            "/* kernel, constants, features, units, hidden_bits, cells */\n" + table("el_layer", "layers", rows),
            f"static const el_head head = {{{head.function}, {head.constants}, {units}, {p}_OUTPUTS}};\n",
            f"const el_net {prefix}_model = {{layers, &head, {', '.join(p + name for name in _COUNTS)}}};\n",
            *codec(model, prefix),
        ]
    )


def _title(index: int, layer: NativeLayer) -> str:
    return f"/* Layer {index}, {layer.cell}: {layer.features} features, {layer.units} units. */\n"


def codec(model: NativeModel | TfliteModel, prefix: str) -> list[str]:
    """The constants that turn physical samples into codes and codes into values, and the names of both."""
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
