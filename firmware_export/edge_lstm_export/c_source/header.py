"""``model.h``: the macros, the state type and the typed calls of one model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from edge_lstm.arithmetic.softmax import LOGIT_BITS
from edge_lstm.model import Interface
from edge_lstm_export.c_source.blueprint import Layer, cells_of, units_of
from edge_lstm_export.c_source.literals import integer, real


@dataclass(frozen=True)
class Family:
    """What differs between the header of an integer and that of a float model.

    Args:
        code: C type of what goes into and comes out of a step.
        cell: C type of the cell state, with its unit.
        encoder, decoder, net: C types of the constants.
        api: macro that makes the typed calls.
    """

    header: str
    api: str
    net: str
    encoder: str
    decoder: str
    code: str
    cell: str
    cell_unit: str
    hidden_unit: str
    floating: int


NATIVE = Family(
    header="el_native.h",
    api="EL_NATIVE_API",
    net="el_net",
    encoder="el_encoder",
    decoder="el_decoder",
    code="int16_t",
    cell="int32_t",
    cell_unit=", Q8.23",
    hidden_unit=", Q0.hidden_bits of its layer",
    floating=0,
)
TFLM = Family(
    header="el_tflm.h",
    api="EL_TFLM_API",
    net="el_tflm_net",
    encoder="el_encoder",
    decoder="el_decoder",
    code="int8_t",
    cell="int16_t",
    cell_unit=", scale 2^-15 to 2^-9 by layer",
    hidden_unit=", scale and zero point by layer",
    floating=0,
)
FLOAT = Family(
    header="el_float.h",
    api="EL_FLOAT_API",
    net="el_float_net",
    encoder="el_float_scaler",
    decoder="el_float_scaler",
    code="float",
    cell="float",
    cell_unit="",
    hidden_unit="",
    floating=1,
)

_HEADER = Template("""\
/* $title, written by edge-lstm. Do not edit.
 *
 * $task.
 * $sizes.
 * Compile every .c file of this folder; C99 or C++.$libraries
 *
 * One sample in, one prediction out:
 *
 *     static ${p}_state state;                 (one a stream)
 *     float sample[${P}_CHANNELS];             (physical units, in the order of ${p}_channels)
 *     ${p}_code x[${P}_CHANNELS], y[${P}_OUTPUTS];
 *     ${p}_init(&state);
 *     for (;;) {
 *         read_sensor(sample);
 *         ${p}_encode(sample, x);
$loop
 *     }
 */
#ifndef ${P}_MODEL_H
#define ${P}_MODEL_H

#include "$header"

#define ${P}_FLOATING $floating
#define ${P}_CHANNELS $channels
#define ${P}_OUTPUTS $outputs
#define ${P}_LAYERS $layers
#define ${P}_UNITS $units /* of all layers together */
#define ${P}_CELLS $cells /* of all layers together */
#define ${P}_LAYER_CELLS {$layer_cells}
#define ${P}_WINDOW $window /* steps from reset to prediction; 0: predict at every step, never reset */
$rate
typedef $code ${p}_code;

/* State of one stream. Save and restore it as plain memory; what follows `hidden` holds nothing between steps. */
typedef struct {
    $cell cell[${P}_CELLS];   /* (cells)$cell_unit, layer after layer */
    $code hidden[${P}_UNITS]; /* (units)$hidden_unit, layer after layer */
#ifdef EL_TAP
    $code taps[8 * ${P}_UNITS]; /* gates of the last step, (8, units) layer after layer; see EL_TAP in $header */
#endif
    $scratch; /* scratch of the kernels */
} ${p}_state;

#ifdef __cplusplus
extern "C" {
#endif

extern const $net ${p}_model;
extern const $encoder ${p}_encoding;
extern const $decoder ${p}_decoding;
extern const char *const ${p}_channels[${P}_CHANNELS];
extern const char *const ${p}_outputs[${P}_OUTPUTS]; /* $meaning */

#ifdef __cplusplus
}
#endif

$api(${p})
$more
#endif
""")

_EVERY_STEP = """\
     ${p}_step(&state, x, y);
     $use"""

_EVERY_WINDOW = """\
     count = count + 1;                     (uint32_t, 0 at first)
     if (count < ${P}_WINDOW) {
         ${p}_step(&state, x, NULL);
         continue;
     }
     ${p}_step(&state, x, y);
     $use
     ${p}_reset(&state);
     count = 0;"""

_USE = {
    True: "report(${p}_outputs[${p}_argmax(y)]);",
    False: "${p}_decode(y, values);                (float values[${P}_OUTPUTS], physical units)",
}


def model_header(
    prefix: str,
    family: Family,
    interface: Interface,
    title: str,
    sizes: str,
    layers: Sequence[Layer],
    *,
    scratch: str,
    libraries: str = "",
    more: str = "",
) -> bytes:
    """``model.h``.

    Args:
        scratch: C declaration of what the kernels need besides the state.
        more: C after the typed calls.
    """
    task = interface.task
    names = {"p": prefix, "P": prefix.upper()}
    use = Template(_USE[task.predicts_labels]).substitute(names)
    loop = Template(_EVERY_STEP if task.window is None else _EVERY_WINDOW).substitute(names, use=use)
    rate = "" if interface.rate_hz is None else f"#define {prefix.upper()}_RATE_HZ {real(interface.rate_hz)}\n"
    if interface.look_ahead:
        what = f"{interface.look_ahead} /* steps before the newest sample that y is of */"
        rate += f"#define {prefix.upper()}_LOOK_AHEAD {what}\n"
    text = _HEADER.substitute(
        names,
        **{name: getattr(family, name) for name in family.__dataclass_fields__},
        title=title,
        sizes=sizes,
        libraries=libraries,
        more=more,
        task=_task_line(interface),
        loop="\n".join(" *    " + line for line in loop.splitlines()),
        channels=integer(len(interface.channels)),
        outputs=integer(len(task.outputs)),
        layers=integer(len(layers)),
        units=integer(units_of(layers)),
        cells=integer(cells_of(layers)),
        layer_cells=", ".join(integer(layer.cells) for layer in layers),
        scratch=scratch,
        window=integer(task.window or 0),
        rate=rate,
        meaning="labels" if task.predicts_labels else "names of the targets",
    )
    return text.encode()


_SOFTMAX = Template("""
#include "el_softmax.h"

#define ${P}_LOGIT_BITS $bits /* outputs are logits in steps of 2^-this */

/* y (outputs) codes -> (outputs) probabilities, Q0.15, in integers. */
static inline void ${p}_softmax(const int16_t *y, uint16_t *probabilities)
{
    el_softmax_of(y, ${P}_OUTPUTS, ${P}_LOGIT_BITS, probabilities);
}
""")


def softmax_call(prefix: str, step: float) -> str:
    """C of the call that gives probabilities; nothing for logits in steps that its arithmetic does not take."""
    mantissa, exponent = math.frexp(step)
    if mantissa != 0.5 or 1 - exponent not in LOGIT_BITS:
        return ""
    return _SOFTMAX.substitute(p=prefix, P=prefix.upper(), bits=1 - exponent)


def _task_line(interface: Interface) -> str:
    task = interface.task
    ahead = f", {task.horizon} step{'s' if task.horizon > 1 else ''} ahead" if task.predicts_ahead else ""
    when = "at every step" if task.window is None else f"once every {task.window} steps"
    at = "" if interface.rate_hz is None else f" at {interface.rate_hz:g} Hz"
    return f"Task: {task.kind}{ahead}. {len(interface.channels)} channels in{at}, {len(task.outputs)} outputs {when}"


def model_stem(prefix: str) -> str:
    """Name of the generated files: two models in one folder take two prefixes."""
    return "model" if prefix == "el" else f"{prefix}_model"
