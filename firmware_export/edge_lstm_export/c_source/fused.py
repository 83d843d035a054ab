"""``model.h`` and ``model.c`` of a fused TFLite model: the bytes of TensorFlow Lite Micro without its interpreter."""

from __future__ import annotations

from edge_lstm.integer import TfliteModel
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.blueprint import cells_line, require_counts, table
from edge_lstm_export.c_source.header import TFLM, model_header, model_stem
from edge_lstm_export.c_source.kernel_sets import kernel_set, tflm
from edge_lstm_export.c_source.kernel_sets.base import Constant, Written, bytes_of, declare
from edge_lstm_export.c_source.kernel_sets.tflm_dsp import TFLM_DSP
from edge_lstm_export.c_source.literals import prefix_name, require_within
from edge_lstm_export.c_source.native import codec

SIGMOID_BYTES = 1026

TFLM_KERNEL_SETS = {chosen.name: chosen for chosen in (tflm.PORTABLE, TFLM_DSP)}


def tflm_kernel_set(name: str) -> tflm.TflmKernelSet:
    """The kernels of this arithmetic for the cores that ``name`` is for; portable ones where there are no others.

    Raises:
        ExportError: if ``name`` is no kernel set at all.
    """
    if name not in TFLM_KERNEL_SETS:
        kernel_set(name)
        return tflm.PORTABLE
    return TFLM_KERNEL_SETS[name]


def write_c_tflm(model: TfliteModel, prefix: str = "el", kernel_set_name: str = "portable") -> dict[str, bytes]:
    """C sources of a fused model: file name → contents, the same for the same model.

    Args:
        prefix: begins every public name of the model; models of different prefixes link into one program.
        kernel_set_name: a row of ``KERNEL_SETS``.

    Raises:
        ExportError: if a name or number of the model has no place in C, or prefix or kernel set is not usable.
    """
    _require_ranges(model)
    chosen, stem = tflm_kernel_set(kernel_set_name), model_stem(prefix_name(prefix))
    header = model_header(
        prefix,
        TFLM,
        model.interface,
        f"{cells_line(model.layers)} in the integers of TensorFlow Lite Micro, kernels {chosen.name}",
        f"{tflm_constant_bytes(model, chosen):,} bytes of constants, "
        f"{tflm_state_bytes(model, chosen):,} bytes of state a stream",
        model.layers,
        scratch=f"int32_t work[{_work_words(model, chosen)}]",
    )
    return {
        **kernels.kernel_files(sorted({*kernels.TFLM_FILES, *chosen.files})),
        f"{stem}.c": _constants(model, prefix, chosen).encode(),
        f"{stem}.h": header,
    }


def tflm_constant_bytes(model: TfliteModel, chosen: tflm.TflmKernelSet) -> int:
    """Weights, row constants and the sigmoid table, without the encoding of the inputs and the names."""
    return SIGMOID_BYTES + sum(written.bytes for written in (*_layers(model, chosen), _head(model)))


def tflm_state_bytes(model: TfliteModel, chosen: tflm.TflmKernelSet) -> int:
    """``sizeof`` the state of one stream: an int16 cell and an int8 code a unit, and scratch."""
    return -(-3 * sum(layer.units for layer in model.layers) // 4) * 4 + 4 * _work_words(model, chosen)


def _work_words(model: TfliteModel, chosen: tflm.TflmKernelSet) -> int:
    return max(chosen.work_words(layer) for layer in model.layers)


def _layers(model: TfliteModel, chosen: tflm.TflmKernelSet) -> list[Written]:
    return [chosen.layer(layer, f"layer_{index}") for index, layer in enumerate(model.layers)]


def _head(model: TfliteModel) -> Written:
    head = model.head
    scale = tflm.TFLM.dense_multiplier(head.weight_scale, head.input, head.output)
    rows = tflm.folded(head.weights, head.bias, head.input, (scale,))
    constants = [
        Constant("int8_t", "weights", rows.weights, f"(outputs, units) = {rows.weights.shape}"),
        Constant("int32_t", "bias", rows.bias, "(outputs)"),
    ]
    outputs, units = rows.weights.shape
    fields = f"head_weights, head_bias, {tflm.multiplier(scale)}, {units}, {outputs}, {head.output.zero}"
    text = (
        f"{declare('head', constants)}\n/* weights, bias, multiplier, units, outputs, zero */\n"
        f"static const el_tflm_dense head = {{{fields}}};\n"
    )
    return Written(text, "el_tflm_apply", "&head", bytes_of(constants))


def _require_ranges(model: TfliteModel) -> None:
    encoding = model.encoding
    require_counts(model.interface, model.layers)
    zeros = [model.head.output.zero, *(layer.hidden.zero for layer in model.layers)]
    hidden = [tflm.TFLM.hidden_multiplier(layer.hidden)[1] for layer in model.layers]
    for what, values, low, high in (
        ("code", [encoding.low.min(), encoding.high.max(), encoding.zero, model.decoding.zero, *zeros], -128, 127),
        ("cell exponent", [layer.cell_exponent for layer in model.layers], -15, -9),
        ("shift of the hidden state", hidden, -31, -1),
    ):
        require_within(what, values, low, high)


def _constants(model: TfliteModel, prefix: str, chosen: tflm.TflmKernelSet) -> str:
    layers = _layers(model, chosen)
    both = list(zip(layers, model.layers, strict=True))
    rows = [f"{{{c.function}, {c.constants}, {x.features}, {x.units}, {x.hidden.zero}}}" for c, x in both]
    includes = "".join(f'#include "{header}"\n' for header in (f"{model_stem(prefix)}.h", *chosen.headers))
    p = prefix.upper()
    return "\n".join(
        [
            f"/* Constants, written by edge-lstm. Do not edit. */\n{includes}",
            *(
                f"/* Layer {index}: {layer.features} features, {layer.units} units. */\n\n{written.text}"
                for index, (written, layer) in enumerate(both)
            ),
            f"/* Head. */\n\n{_head(model).text}",
            "/* kernel, constants, features, units, hidden_zero */\n" + table("el_tflm_lstm", "layers", rows),
            f"const el_tflm_net {prefix}_model = "
            f"{{layers, &head, {p}_LAYERS, {p}_UNITS, {p}_CHANNELS, {p}_OUTPUTS}};\n",
            *codec(model, prefix),
        ]
    )
