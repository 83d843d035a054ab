"""What quantisation cost, tensor by tensor: the integer model beside the float model on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import native
from edge_lstm.integer import (
    Arithmetic,
    IntegerModel,
    NativeBidirectional,
    NativeCellLayer,
    NativeDense,
    NativeLayer,
    NativeModel,
    NativeRnnRelu,
    TfliteLstm,
)
from edge_lstm.model import CELLS, GATES, FloatModel
from edge_lstm.reference import Network, network, replay

Array = NDArray[Any]
Key = tuple[int, str]

MOST_STEPS = 20_000
"""Steps compared; beyond that the figures no longer move."""


@dataclass(frozen=True)
class Code:
    """What a code of a tensor stands for: ``(code - zero) * scale``, saturated at ``low`` and ``high``."""

    scale: float
    zero: int
    low: int
    high: int


def error_report(
    model: FloatModel, integer: IntegerModel, recordings: Sequence[Array], arithmetic: Arithmetic | None = None
) -> dict[str, Any]:
    """Range, saturation and signal-to-noise ratio of every tensor, JSON-ready.

    Args:
        recordings: (T, C) physical; replayed by both models under the model's stream rule, up to ``MOST_STEPS``.

    Returns:
        ``tensors``: rows of ``layer``, ``tensor``, ``low``, ``high`` (of the float model), ``saturated`` (share of the
        integer model's codes at a limit), ``snr_db`` (variance of the float tensor over the mean squared error; None if
        the tensor is constant); ``worst_gate``: the gate with the lowest ratio; ``steps``: how many were compared.
    """
    chosen = _up_to(recordings, MOST_STEPS)
    window = model.interface.task.window
    scaled = [model.interface.scaling.apply(r) for r in chosen]
    exact = _collect(network(model), scaled, window)
    codes = _collect(network(integer, arithmetic), [integer.encoding.encode(r) for r in chosen], window)
    rows = [_row(key, exact[key], codes[key], code) for key, code in tensor_codes(integer).items()]
    gates = [row for row in rows if row["tensor"].rpartition("/")[2] in _PRE and row["snr_db"] is not None]
    worst = min(gates, key=lambda row: row["snr_db"], default=None)
    return {
        "tensors": rows,
        "worst_gate": worst
        and {"layer": worst["layer"], "gate": worst["tensor"].removesuffix("_pre"), "snr_db": worst["snr_db"]},
        "steps": sum(len(r) for r in chosen),
    }


_PRE = {f"{gate}_pre" for weights in CELLS.values() for gate in weights.gates}


def tensor_codes(model: IntegerModel) -> dict[Key, Code]:
    """What the codes of every tensor of a step stand for, by (layer, tensor) in the order they are computed."""
    codes: dict[Key, Code] = {}
    for index, layer in enumerate(model.layers):
        of_layer = _fused_codes(layer) if isinstance(layer, TfliteLstm) else _codes_of(layer)
        codes |= {(index, name): code for name, code in of_layer.items()}
    low, high = (-32768, 32767) if isinstance(model, NativeModel) else (-128, 127)
    codes[len(model.layers), "y"] = Code(model.decoding.scale, model.decoding.zero, low, high)
    return codes


def _codes_of(layer: NativeLayer) -> dict[str, Code]:
    if not isinstance(layer, NativeBidirectional):
        return _native_codes(layer)
    halves = {"forward": _native_codes(layer.forward), "backward": _native_codes(layer.backward)}
    hidden = {"h": halves["forward"]["h"]}
    return {f"{name}/{tensor}": code for name, half in halves.items() for tensor, code in half.items()} | hidden


def _native_codes(layer: NativeCellLayer) -> dict[str, Code]:
    # A pre-activation whose tanh is taken is held twice.
    plain = isinstance(layer, NativeRnnRelu) or (isinstance(layer, NativeDense) and layer.activation != "tanh")
    doubled = set() if plain else {"g", "n"}
    codes = {f"{gate}_pre": _pre(2 if gate in doubled else 1) for gate in layer.gates}
    low = -128 if layer.scheme == "w8a8" else -layer.hidden_limit
    high = 127 if layer.scheme == "w8a8" else layer.hidden_limit
    # A dense layer keeps no c, and that of a convolution is its inputs, which are the layer's below.
    cell = Code(2.0**-native.CELL_FRACTION_BITS, 0, -native.CELL_LIMIT, native.CELL_LIMIT - 1)
    kept = {} if isinstance(layer, NativeDense) else {"c": cell}
    return codes | kept | {"h": Code(2.0**-layer.hidden_bits, 0, low, high)}


def _fused_codes(layer: TfliteLstm) -> dict[str, Code]:
    return {f"{gate}_pre": _pre(1) for gate in GATES} | {
        "c": Code(2.0**layer.cell_exponent, 0, -32768, 32767),
        "h": Code(layer.hidden.scale, layer.hidden.zero, -128, 127),
    }


def _pre(times: int) -> Code:
    return Code(1.0 / (native.PRE_ACTIVATION_ONE * times), 0, -32768, 32767)


def _row(key: Key, exact: Array, codes: Array, code: Code) -> dict[str, Any]:
    error = (codes - code.zero) * code.scale - exact
    noise, signal = float(np.mean(error**2)), float(exact.var())
    return {
        "layer": key[0],
        "tensor": key[1],
        "low": round(float(exact.min()), 6),
        "high": round(float(exact.max()), 6),
        "saturated": round(float(np.mean((codes <= code.low) | (codes >= code.high))), 6),
        "snr_db": round(10 * float(np.log10(signal / noise)), 2) if signal > 0 and noise > 0 else None,
    }


def _collect(net: Network, series: Sequence[Array], window: int | None) -> dict[Key, Array]:
    kept: dict[Key, list[Array]] = {}
    replay(net, series, window, lambda layer, name, value: kept.setdefault((layer, name), []).append(value))
    return {key: np.concatenate([value.reshape(-1) for value in values]) for key, values in kept.items()}


def _up_to(recordings: Sequence[Array], steps: int) -> list[Array]:
    """Recordings from all over the list, whole where possible, ``steps`` in all at most."""
    total = sum(len(r) for r in recordings)
    stride = max(1, round(total / steps))
    chosen: list[Array] = []
    left = steps
    for recording in recordings[::stride]:
        if left > 0:
            chosen.append(np.asarray(recording)[:left])
            left -= len(chosen[-1])
    return chosen
