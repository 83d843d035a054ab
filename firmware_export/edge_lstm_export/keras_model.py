"""The float model as a ``.keras`` file, written without Keras: a zip of a JSON configuration and HDF5 weights.

Physical units at both ends: a ``Normalization`` scales the channels, and what scales the targets back is multiplied
into the ``Dense`` head, whose outputs are logits or targets. A model with a window takes one window (B, N, C) and gives
its last step (B, O); any other takes (B, T, C) and gives every step (B, T, O).

The layout is that of Keras 3 (``keras.saving``): weights lie by the class of a layer and a count of it. Keras orders
the gates of an LSTM i, f, c, o and of a GRU z, r, h, side by side in the columns of (F, GH).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm.model import (
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    RecurrentWeights,
    RnnWeights,
    Scaling,
)

Array = NDArray[Any]

KERAS_VERSION = "3.0.0"
"""The first of this layout. A date of saving, which Keras notes beside it, would make every file another."""

SMALLEST_SCALE = 1e-7
"""Keras divides by no less, whatever a ``Normalization`` says (``keras.config.epsilon``)."""

_OLDEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def keras_model(model: FloatModel) -> bytes:
    """The file. Equal models give equal bytes.

    Raises:
        ExportError: if Keras has no layer for a cell, or would scale a channel otherwise.
        MissingDependencyError: if h5py is not installed.
    """
    obstacle = keras_obstacle(model)
    if obstacle is not None:
        raise ExportError(f"no .keras file can be written: {obstacle}")
    layers = _layers(model)
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "edge_lstm", "trainable": True, "layers": [layer.config() for layer in layers]},
        "registered_name": None,
    }
    members = {
        "metadata.json": json.dumps({"keras_version": KERAS_VERSION}).encode(),
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": _weights_file(layers),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _OLDEST_ZIP_TIME), data)
    return content.getvalue()


def keras_obstacle(model: FloatModel) -> str | None:
    """Why Keras cannot hold the model, and what can; None if it can."""
    for index, layer in enumerate(model.layers):
        if isinstance(layer, BidirectionalWeights):
            return f"layer {index} looks ahead by {layer.look_ahead} steps, which no layer of Keras does; use the ONNX"
        if type(layer) not in (*_CELLS, *_ROWS):
            return (
                f"layer {index} is a {layer.cell.upper()}, which is no layer of Keras and would need code beside the "
                "file; use the ONNX, TFLite or C"
            )
        if isinstance(layer, ConvWeights) and model.interface.task.window and index > _last_recurrent(model):
            return (
                f"layer {index} is a convolution behind the last recurrent layer, and no layer of Keras picks the last "
                "step of one; use the ONNX, TFLite or C"
            )
    channels, scale = model.interface.channels, model.interface.scaling.scale
    smallest = int(np.argmin(scale))
    if scale[smallest] < SMALLEST_SCALE:
        return (
            f"channel {channels[smallest]!r} has scale {scale[smallest]:.3g}, Keras divides by {SMALLEST_SCALE:g} at "
            "least; record it in a smaller unit"
        )
    return None


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer of the file.

    Args:
        kind: its class in Keras.
        weights: its variables, in the order in which Keras makes them.
        inner: where they are, below the layer.
        takes: shape of its input.
    """

    kind: str
    name: str
    options: Mapping[str, Any]
    weights: tuple[Array, ...] = ()
    inner: str = ""
    takes: tuple[int | None, ...] | None = None

    def config(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "module": "keras.layers",
            "class_name": self.kind,
            "config": {"name": self.name, "dtype": "float32", **self.options},
            "registered_name": None,
        }
        if self.takes is not None:
            entry["build_config"] = {"input_shape": self.takes}
        return entry


def _layers(model: FloatModel) -> list[_Layer]:
    interface = model.interface
    steps, width = interface.task.window, len(interface.channels)
    scaling = interface.scaling
    layers = [
        _Layer("InputLayer", "x", {"batch_shape": (None, steps, width)}),
        _Layer(
            "Normalization",
            "scaling",
            {"axis": (-1,), "mean": scaling.offset.tolist(), "variance": (scaling.scale**2).tolist()},
            takes=(None, steps, width),
        ),
    ]
    for index, weights in enumerate(model.layers):
        if isinstance(weights, DenseLayerWeights):
            layers.append(_ROWS[type(weights)](f"layer{index}", weights, _shape(model, index, weights.features)))
        else:
            every_step = steps is None or index < _last_recurrent(model)
            recurrent = cast(RecurrentWeights, weights)  # a bidirectional one is an obstacle
            layers.append(_recurrent(f"layer{index}", recurrent, (None, steps, weights.features), every_step))
    return [*layers, _head(model)]


def _last_recurrent(model: FloatModel) -> int:
    """The layer that gives the last step alone, in a model that speaks at the end of a window."""
    return max(k for k, layer in enumerate(model.layers) if not isinstance(layer, DenseLayerWeights))


def _shape(model: FloatModel, index: int, width: int) -> tuple[int | None, ...]:
    """What a dense layer is given, or a convolution."""
    steps = model.interface.task.window
    return (None, steps, width) if steps is None or index < _last_recurrent(model) else (None, width)


def _dense(name: str, weights: DenseLayerWeights, takes: tuple[int | None, ...]) -> _Layer:
    options = {"units": weights.units, "activation": weights.activation, "use_bias": True}
    return _Layer("Dense", name, options, (weights.kernel[0].T, weights.bias[0]), takes=takes)


def _conv(name: str, weights: ConvWeights, takes: tuple[int | None, ...]) -> _Layer:
    options = {
        "filters": weights.units,
        "kernel_size": (weights.taps,),
        "padding": "causal",
        "activation": weights.activation,
        "use_bias": True,
    }
    kernel = weights.kernel[0].reshape(weights.units, weights.taps, weights.features).transpose(1, 2, 0)
    return _Layer("Conv1D", name, options, (kernel, weights.bias[0]), takes=takes)


_ROWS: dict[type[DenseLayerWeights], Callable[[str, Any, tuple[int | None, ...]], _Layer]] = {
    DenseLayerWeights: _dense,
    ConvWeights: _conv,
}
"""Layers without recurrent weights."""


def _recurrent(name: str, weights: RecurrentWeights, takes: tuple[int | None, ...], every_step: bool) -> _Layer:
    kind, bias, options = _CELLS[type(weights)](weights)
    kernel, recurrent = (
        np.concatenate([gate.T for gate in gates], axis=1) for gates in (weights.kernel, weights.recurrent)
    )
    return _Layer(
        kind,
        name,
        {"units": weights.units, "return_sequences": every_step, "activation": "tanh", "use_bias": True, **options},
        (kernel, recurrent, bias),
        "cell/",
        takes,
    )


_SIGMOID = {"recurrent_activation": "sigmoid"}


def _lstm(weights: LstmWeights) -> tuple[str, Array, dict[str, Any]]:
    return "LSTM", weights.bias.reshape(-1), _SIGMOID


def _gru(weights: GruWeights) -> tuple[str, Array, dict[str, Any]]:
    bias = weights.bias.reshape(-1)
    if weights.reset_after:
        over_h = np.zeros_like(weights.bias)
        over_h[2] = weights.reset_bias
        bias = np.stack([bias, over_h.reshape(-1)])
    return "GRU", bias, {**_SIGMOID, "reset_after": weights.reset_after}


def _rnn(weights: RnnWeights) -> tuple[str, Array, dict[str, Any]]:
    return "SimpleRNN", weights.bias.reshape(-1), {"activation": weights.activation}


_CELLS: dict[type[CellWeights], Callable[[Any], tuple[str, Array, dict[str, Any]]]] = {
    LstmWeights: _lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
}
"""Cells that Keras has a layer for: its class, its bias, and its options."""


def _head(model: FloatModel) -> _Layer:
    units = model.head.weights.shape[1]
    takes = (None, None, units) if model.interface.task.window is None else (None, units)
    weights, bias = _in_physical_units(model.head.weights, model.head.bias, model.interface.target_scaling)
    return _Layer(
        "Dense",
        "head",
        {"units": model.head.outputs, "activation": "linear", "use_bias": True},
        (weights.T, bias),
        takes=takes,
    )


def _in_physical_units(weights: Array, bias: Array, target: Scaling) -> tuple[Array, Array]:
    """The head with the scaling of the targets in it; the same bits for labels, whose scaling is the identity."""
    rows, offsets = weights * target.scale[:, None], bias * target.scale + target.offset
    return rows.astype(np.float32), offsets.astype(np.float32)


def _weights_file(layers: list[_Layer]) -> bytes:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            "writing a .keras file needs h5py, which is not installed: pip install 'edge-lstm[import]'"
        ) from error
    content = io.BytesIO()
    counts: dict[str, int] = {}
    with h5py.File(content, "w") as file:
        # Keras 3.0 misses the group of variables where there are none.
        file.create_group("vars")
        for layer in layers:
            count = counts.get(layer.kind, 0)
            counts[layer.kind] = count + 1
            folder = f"layers/{_snake(layer.kind)}{f'_{count}' if count else ''}"
            file.create_group(f"{folder}/vars")
            variables = file.require_group(f"{folder}/{layer.inner}vars")
            for place, values in enumerate(layer.weights):
                variables.create_dataset(str(place), data=np.ascontiguousarray(values, np.float32))
    return content.getvalue()


def _snake(name: str) -> str:
    """``SimpleRNN`` → ``simple_rnn``, ``GRU`` → ``gru``, as Keras names its groups."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
