"""What quantisation cost, tensor by tensor: the integer model beside the float model on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import native
from edge_lstm.integer import Arithmetic, IntegerModel, NativeModel
from edge_lstm.model import GATES, FloatModel
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
    gates = [row for row in rows if row["tensor"] in _PRE and row["snr_db"] is not None]
    worst = min(gates, key=lambda row: row["snr_db"], default=None)
    return {
        "tensors": rows,
        "worst_gate": worst and {"layer": worst["layer"], "gate": worst["tensor"][0], "snr_db": worst["snr_db"]},
        "steps": sum(len(r) for r in chosen),
    }


_PRE = tuple(f"{gate}_pre" for gate in GATES)


def tensor_codes(model: IntegerModel) -> dict[Key, Code]:
    """What the codes of every tensor of a step stand for, by (layer, tensor) in the order they are computed."""
    codes: dict[Key, Code] = {}
    for layer in range(len(model.layers)):
        doubled = 2 if isinstance(model, NativeModel) else 1  # native's gate g holds twice its argument
        for gate in GATES:
            one = native.PRE_ACTIVATION_ONE * (doubled if gate == "g" else 1)
            codes[layer, f"{gate}_pre"] = Code(1.0 / one, 0, -32768, 32767)
        if isinstance(model, NativeModel):
            bits, narrow = model.layers[layer].hidden_bits, model.scheme == "w8a8"
            codes[layer, "c"] = Code(2.0**-native.CELL_FRACTION_BITS, 0, -native.CELL_LIMIT, native.CELL_LIMIT - 1)
            codes[layer, "h"] = (
                Code(2.0**-bits, 0, -128, 127) if narrow else Code(2.0**-bits, 0, -(1 << bits), 1 << bits)
            )
        else:
            fused = model.layers[layer]
            codes[layer, "c"] = Code(2.0**fused.cell_exponent, 0, -32768, 32767)
            codes[layer, "h"] = Code(fused.hidden.scale, fused.hidden.zero, -128, 127)
    low, high = (-32768, 32767) if isinstance(model, NativeModel) else (-128, 127)
    codes[len(model.layers), "y"] = Code(model.decoding.scale, model.decoding.zero, low, high)
    return codes


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
