"""Golden vectors: recordings with what every step must give, by arithmetic.

They are real recordings and one that no sensor would send: codes at their limits in long runs, because saturation is
where implementations differ and real data seldom reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from edge_lstm.integer import Arithmetic, NativeModel, TfliteModel
from edge_lstm.integer_step import StepModel
from edge_lstm.model import FloatModel
from edge_lstm.modelfile import Model
from edge_lstm.reference import network, traces
from edge_lstm.runtimes.worker import Trace

Array = NDArray[Any]
Golden = dict[str, Array]

FEWEST_RECORDINGS, MOST_STEPS = 4, 1500
"""How many recordings a bundle keeps at least, if there are as many, and how many steps of them in all at most."""

STRESS_STEPS = 320
_RUN = 40
_FAR = 6


def choose(recordings: Sequence[Array], window: int | None = None) -> list[Array]:
    """Recordings from all over the data, whole unless they are longer than the steps that are kept allow."""
    longest = max((len(r) for r in recordings), default=1)
    count = min(len(recordings), max(FEWEST_RECORDINGS, MOST_STEPS // longest))
    picks = np.unique(np.linspace(0, len(recordings) - 1, count).round().astype(int))
    share = MOST_STEPS // max(len(picks), 1)
    steps = share if window is None else max(share // window, 1) * window
    return [np.asarray(recordings[k], np.float32)[:steps] for k in picks]


def stress(model: Model, seed: int = 0) -> Array:
    """(STRESS_STEPS, C) inputs that drive the network into saturation: limits held, flipped and shuffled."""
    rng = np.random.default_rng(seed)
    if isinstance(model, FloatModel):
        low, high = (np.full(len(model.interface.channels), limit) for limit in (-_FAR, _FAR))
    else:
        low, high = model.encoding.low, model.encoding.high
    signs = rng.integers(0, 2, (STRESS_STEPS // _RUN, len(low)))
    held = np.repeat(np.where(signs, high, low), _RUN, axis=0)
    noise = rng.integers(low, high, held.shape, endpoint=True)
    return np.where(rng.random(held.shape) < 0.1, noise, held).astype(_input_type(model))


def golden(model: Model, arithmetic: Arithmetic | None, recordings: Sequence[Array]) -> Golden:
    """Inputs, and what every step gives.

    Args:
        arithmetic: ``tflite`` or ``tflm`` for a ``TfliteModel``; None for a model that has one arithmetic only.
        recordings: (T, C) physical.

    Returns:
        For recording k: ``k.physical`` (T, C) float32 (the stress recording has none), ``k.codes`` (T, C) (scaled
        samples for a float model), ``k.outputs`` (T, O), ``k.layer.hidden`` and ``k.layer.cell`` (T, H).
    """
    net, window = network(model, arithmetic), model.interface.task.window
    code, cell = _TYPES[type(model)]
    arrays: Golden = {}
    inputs = [*(encode(model, r) for r in recordings), stress(model)]
    for k, physical in enumerate(recordings):
        arrays[f"{k}.physical"] = np.asarray(physical, np.float32)
    for k, (codes, seen) in enumerate(zip(inputs, traces(net, inputs, window), strict=True)):
        arrays[f"{k}.codes"] = codes.astype(code)
        arrays[f"{k}.outputs"] = seen[len(model.layers), "y"].astype(code)
        for layer in range(len(model.layers)):
            arrays[f"{k}.{layer}.hidden"] = seen[layer, "h"].astype(code)
            arrays[f"{k}.{layer}.cell"] = seen[layer, "c"].astype(cell)
    return arrays


_TYPES: dict[type, tuple[Any, Any]] = {
    FloatModel: (np.float32, np.float32),
    NativeModel: (np.int16, np.int32),
    TfliteModel: (np.int8, np.int16),
    StepModel: (np.int8, np.int8),
}
"""What a model's codes and its cell state are kept as."""


def encode(model: Model, physical: Array) -> Array:
    """(T, C) physical samples → what the network takes: codes, or scaled float32."""
    if isinstance(model, FloatModel):
        return model.interface.scaling.apply(physical).astype(np.float32)
    return model.encoding.encode(physical)


def _input_type(model: Model) -> Any:
    return np.float32 if isinstance(model, FloatModel) else np.int32


def encode_golden(arrays: Golden) -> bytes:
    """The bytes of a golden file, the same for the same vectors."""
    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def recordings_of(arrays: Golden) -> int:
    """How many recordings a golden file holds."""
    return sum(name.endswith(".codes") for name in arrays)


def traces_of(arrays: Golden) -> list[Trace]:
    """The golden vectors of each recording, as what a runtime gives in single steps."""
    layers = sum(name.startswith("0.") and name.endswith(".cell") for name in arrays)
    return [
        Trace(
            arrays[f"{k}.outputs"],
            tuple((arrays[f"{k}.{layer}.hidden"], arrays[f"{k}.{layer}.cell"]) for layer in range(layers)),
        )
        for k in range(recordings_of(arrays))
    ]
