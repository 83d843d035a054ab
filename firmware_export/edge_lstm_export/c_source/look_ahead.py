"""Bidirectional layers as C: the kernels of the two halves, and what hands the steps to them."""

from __future__ import annotations

from edge_lstm.integer import NativeBidirectional, NativeCellLayer
from edge_lstm_export.c_source.kernel_sets.base import Written

FILES = ("el_look_ahead.c", "el_look_ahead.h")
HEADER = "el_look_ahead.h"
_LAYER_BYTES, _CONSTANT_BYTES = 16, 16
"""Of an ``el_layer`` and an ``el_look_ahead`` where pointers have four bytes."""


def layer_row(layer: NativeCellLayer | NativeBidirectional, written: Written) -> str:
    """The members of an ``el_layer``."""
    shape = f"{layer.features}, {layer.units}, {layer.hidden_bits}, {layer.cells}"
    return f"{{{written.function}, {written.constants}, {shape}}}"


def own_words(layer: NativeBidirectional) -> int:
    """Of the scratch, before that of the halves: c and h of the backward one, and x of all steps."""
    codes = layer.backward.units + (layer.look_ahead + 1) * layer.features
    return layer.backward.cells - (-codes // 2)


def write_look_ahead(layer: NativeBidirectional, name: str, forward: Written, backward: Written) -> Written:
    """The layer of its halves, which are written."""
    halves = {"forward": (layer.forward, forward), "backward": (layer.backward, backward)}
    text = [written.text for _, written in halves.values()]
    text += [f"static const el_layer {name}_{each} = {layer_row(*half)};\n" for each, half in halves.items()]
    x_words = -(-layer.look_ahead * layer.features // 2)
    members = f"&{name}_forward, &{name}_backward, {layer.look_ahead}, {x_words}, {own_words(layer)}"
    text.append(f"static const el_look_ahead {name}_constants = {{{members}}};\n")
    size = forward.bytes + backward.bytes + 2 * _LAYER_BYTES + _CONSTANT_BYTES
    return Written("\n".join(text), "el_look_ahead_step", f"&{name}_constants", size)
