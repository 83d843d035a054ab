"""What single layers of Keras do.

Keras keeps a kernel as (F, G·H) with the gates side by side, in our order: i, f, c, o of an LSTM and z, r, h of a GRU.
A GRU that resets after the product has its two biases above each other, (2, 3H).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import convolutions, look_ahead
from edge_lstm.importers.cells import GATES, Choice, Rows, cell_weights, described
from edge_lstm.importers.chain import (
    Activation,
    Array,
    BothWays,
    Convolution,
    DenseLayer,
    Does,
    Normalise,
    Part,
    Recurrent,
    dense_weights,
    part,
)
from edge_lstm.importers.embedding import MASKS, embedding, refuse_many
from edge_lstm.importers.embedding import described as described_embedding
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.scales import normalising
from edge_lstm.model import BidirectionalWeights, RecurrentWeights

Config = Mapping[str, Any]
Shape = tuple[int | None, ...]
Weights = Callable[[str, int, Shape], Array]
"""(name of a weight, its place among the layer's, shape) → the numbers."""


@dataclass(frozen=True)
class Layer:
    """A layer of the configuration.

    Args:
        kind: its class.
        count: of the layers of its class before it.
    """

    name: str
    kind: str
    config: Config
    count: int
    custom: bool = False
    sources: tuple[str, ...] = ()


def is_custom(entry: Config) -> bool:
    module, registered = entry.get("module") or "keras.layers", entry.get("registered_name")
    return not str(module).startswith("keras") or registered not in (None, entry["class_name"])


def parts_of(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    """The parts of a layer, and how many numbers a step it hands on as far as that is known."""
    if layer.custom:
        return [_refused(layer, "is a class of your own, whose code is not run; use the layer of Keras")], None
    numbers = _dtype(layer.config.get("dtype"))
    if numbers not in ("float32", "float64"):
        return [_refused(layer, f"computes in {numbers}; set its dtype to float32 and save the model again")], features
    if layer.kind in NOTHING:
        return [Part(layer.name, layer.kind, note=NOTHING[layer.kind])], features
    taken = TAKEN.get(layer.kind)
    if taken is None:
        why = REFUSED.get(layer.kind, UNKNOWN)
        return [_refused(layer, why)], None
    return taken(layer, features, weights)


def _dtype(policy: Any) -> str:
    """The name of what a layer computes in, which Keras 3 wraps in a policy."""
    if isinstance(policy, dict):
        policy = policy["config"].get("name", policy.get("class_name"))
    return "float32" if policy is None else str(policy)


def _refused(layer: Layer, why: str) -> Part:
    return Part(layer.name, layer.kind, obstacle=why)


def _require(config: Config, key: str, allowed: tuple[Any, ...], why: str) -> None:
    """Where the key is missing it is the first of those allowed."""
    value = _value(config, key, allowed[0])
    if value not in allowed:
        raise ModelError(f"{key} is {value!r}: {why}")


def _value(config: Config, key: str, default: Any) -> Any:
    value = config.get(key, default)
    return value.get("config", value) if isinstance(value, dict) else value


def _width(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_UNITS:
        raise ModelError(f"{what} is {value!r}, the limit is {MOST_UNITS}; train a smaller layer")
    return value


def _recurrent(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    kind, config = layer.kind, layer.config
    if kind == "RNN":
        cell = config["cell"]
        kind = OF_CELLS.get("" if is_custom(cell) else str(cell["class_name"]), "")
        if not kind:
            return [_refused(layer, f"wraps {cell['class_name']}; use layers LSTM, GRU or SimpleRNN in a row")], None
        config = {**config, **cell["config"]}
    cell_name = RECURRENT[kind]

    def build() -> Does:
        for key, allowed, why in (*RULES, *CELL_RULES[kind]):
            _require(config, key, allowed, why)
        # Keras had GRUs that reset before the product alone, and no such key, before it had both.
        reset_after = bool(config.get("reset_after", False)) and kind == "GRU"
        units = _width(config.get("units"), "units")
        rows = GATES[cell_name] * units
        kernel = weights("kernel", 0, (features, rows))
        recurrent = weights("recurrent_kernel", 1, (units, rows))
        biases = np.zeros((2, rows))
        if config.get("use_bias", True) and reset_after:
            biases = weights("bias", 2, (2, rows))
        elif config.get("use_bias", True):
            biases[0] = weights("bias", 2, (rows,))
        ours = cell_weights(
            cell_name,
            Rows(kernel.T, recurrent.T, *biases),
            tuple(range(GATES[cell_name])),
            Choice(reset_after, _value(config, "activation", "tanh")),
        )
        return Recurrent(ours, every_step=bool(config.get("return_sequences", False)))

    units = config.get("units")
    made = part(layer.name, layer.kind, build)
    if isinstance(made.does, Recurrent):
        dropped = config.get("dropout") or config.get("recurrent_dropout")
        made = replace(made, note=described(made.does.weights) + (", dropout passed over" if dropped else ""))
    return [made], units if isinstance(units, int) else None


RECURRENT = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn", "RNN": ""}
"""Class → cell; that of an RNN is in its configuration."""

OF_CELLS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"}
"""Class of a cell that an RNN may wrap → the layer that is the same."""

Rule = tuple[str, tuple[Any, ...], str]

RULES: tuple[Rule, ...] = (
    ("go_backwards", (False,), "a stream knows no future; train forwards"),
    ("return_state", (False,), "the state is carried by the stream itself; leave it out"),
    ("time_major", (False,), "expected (batch, steps, features); train it so"),
)
"""Key of a recurrent layer's configuration, what it may be, and why."""

_GATED: tuple[Rule, ...] = (
    ("activation", ("tanh",), "a cell here squashes with tanh; train it so"),
    ("recurrent_activation", ("sigmoid",), "a cell here has gates of sigmoid; train it so"),
)
CELL_RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(("LSTM", "GRU"), _GATED),
    "SimpleRNN": (("activation", ("tanh", "relu"), "a simple RNN here has tanh or relu; train it so"),),
}
"""The same of one class of layers."""


def _dense(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    inner = layer.config
    if layer.kind == "TimeDistributed":
        wrapped = inner["layer"]
        if wrapped.get("class_name") != "Dense":
            return [_refused(layer, f"wraps {wrapped.get('class_name')}; only Dense can be imported")], None
        inner = wrapped["config"]
    activation = inner.get("activation") or "linear"

    def build() -> Does:
        _probabilities(activation)
        units = _width(inner.get("units"), "units")
        kernel = weights("kernel", 0, (features, units))
        return dense_weights(kernel.T, weights("bias", 1, (units,)) if inner.get("use_bias", True) else np.zeros(units))

    units = inner.get("units")
    head = part(layer.name, layer.kind, build, f"{units} outputs")
    found = [head] if head.obstacle else [head, *_activation_parts(layer, activation)]
    return found, units if isinstance(units, int) else None


def _both_ways(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    config = layer.config
    inner = config["layer"]
    kind, options = str(inner["class_name"]), inner["config"]
    units = options.get("units")
    width = 2 * units if isinstance(units, int) else None
    if kind not in RECURRENT or is_custom(inner):
        return [_refused(layer, f"wraps {kind}; use layers LSTM, GRU or SimpleRNN in a row")], None

    def half(name: str) -> RecurrentWeights:
        def of_half(weight: str, place: int, shape: Shape) -> Array:
            return weights(f"{name}/{weight}", place, shape)

        ((made,), _) = _recurrent(Layer(layer.name, kind, options, 0), features, of_half)
        if not isinstance(made.does, Recurrent) or isinstance(made.does.weights, BidirectionalWeights):
            raise ModelError(made.obstacle)
        return made.does.weights

    def build() -> Does:
        _require(config, "merge_mode", ("concat",), look_ahead.MERGES)
        other = config.get("backward_layer") or inner
        if (other["class_name"], other["config"].get("units")) != (kind, units):
            raise ModelError("has a backward layer of another kind; use the same both ways")
        _require(options, "return_sequences", (True,), look_ahead.LAST_STEP)
        return BothWays(half("forward"), half("backward"))

    return [part(layer.name, layer.kind, build)], width


def _convolution(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    config = layer.config
    size, strides, dilation = (_one(config.get(key, 1)) for key in ("kernel_size", "strides", "dilation_rate"))
    activation, units = config.get("activation") or "linear", config.get("filters")

    def build() -> Does:
        _probabilities(activation)
        for key, allowed, why in CONV_RULES:
            _require(config, key, allowed, why)
        if strides != 1:
            raise ModelError(f"strides is {strides!r}: {convolutions.STRIDES}")
        count = _width(units, "filters")
        taps = convolutions.span(_width(size, "kernel_size"), _width(dilation, "dilation_rate"))
        padding = config.get("padding", "valid")
        if taps > 1 and padding != "causal":
            why = convolutions.VALID if padding == "valid" else convolutions.AHEAD
            raise ModelError(f"padding is {padding!r}: {why}")
        kernel = weights("kernel", 0, (size, features, count))
        bias = weights("bias", 1, (count,)) if config.get("use_bias", True) else np.zeros(count)
        return convolutions.convolution(kernel.transpose(2, 0, 1), bias, dilation)

    made, width = part(layer.name, layer.kind, build), units if isinstance(units, int) else None
    if made.obstacle or width is None:
        return [made], width
    taps = made.does.taps if isinstance(made.does, Convolution) else 1
    made = replace(made, note=convolutions.described(width, taps))
    return [made, *_activation_parts(layer, activation)], width


def _one(value: Any) -> Any:
    """A number that Keras keeps in a list of one."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


CONV_RULES: tuple[Rule, ...] = (
    ("data_format", ("channels_last",), "expected (batch, steps, features); train it so"),
    ("groups", (1,), convolutions.GROUPS),
)
"""Key of a convolution's configuration, what it may be, and why."""


def _probabilities(name: Any) -> Activation | None:
    if name == "linear":
        return None
    if name not in _NOTES:
        raise ModelError(f"activation is {name!r}: a dense layer here has {', '.join(_NOTES)} or none; train it so")
    return Activation(name)


def _activation_parts(layer: Layer, activation: Any) -> list[Part]:
    if activation == "linear":
        return []
    return [part(layer.name, str(activation), lambda: _probabilities(activation), _NOTES[str(activation)])]


_NOTES = {
    "softmax": "the model keeps logits, a stream makes probabilities of them",
    "sigmoid": "becomes two logits, 0 and z, whose softmax is the same",
    "relu": "",
    "tanh": "",
}


def _activation(layer: Layer, features: int | None, _weights: Weights) -> tuple[list[Part], int | None]:
    if layer.kind == "Softmax":
        if layer.config.get("axis", -1) not in (-1, [-1]):
            return [_refused(layer, "axis is not the last; train it so")], None
        return _activation_parts(layer, "softmax"), features
    name = layer.config.get("activation")
    note = _NOTES.get(str(name), "changes nothing")
    return [part(layer.name, layer.kind, lambda: _probabilities(name), note)], features


def _normalisation(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    config = layer.config

    def build() -> Does:
        _require(config, "invert", (False,), "it must scale, not undo; use it before the recurrent layers")
        if config.get("axis", -1) not in (-1, [-1], [2], 2):
            raise ModelError(f"axis is {config['axis']!r}: a scaling here is one a channel; use axis=-1")
        width = _width(features, "number of features")
        if config.get("mean") is not None:
            mean, variance = (
                np.broadcast_to(np.asarray(config[key], np.float64).ravel(), (width,)) for key in ("mean", "variance")
            )
        else:
            mean, variance = weights("mean", 0, (width,)), weights("variance", 1, (width,))
        if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
            raise ModelError("its mean or variance is not finite, or negative; adapt it to the data again")
        # Keras divides by no less than its epsilon.
        return Normalise(mean.astype(np.float64), np.maximum(np.sqrt(variance.astype(np.float64)), 1e-7))

    return [part(layer.name, layer.kind, build, "becomes the scaling of the channels")], features


def _batch_normalisation(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    config = layer.config

    def build() -> Does:
        if config.get("axis", -1) not in (-1, [-1], [2], 2):
            raise ModelError(f"axis is {config['axis']!r}: a scaling here is one a feature; use axis=-1")
        width = _width(features, "number of features")
        kept = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]
        names = [*kept, "moving_mean", "moving_variance"]
        found = {name: weights(name, k, (width,)).astype(np.float64) for k, name in enumerate(names)}
        gain, offset = (found.get(name, np.full(width, default)) for name, default in (("gamma", 1.0), ("beta", 0.0)))
        epsilon = float(config.get("epsilon", 1e-3))  # Keras's own
        return normalising(gain, offset, found["moving_mean"], found["moving_variance"], epsilon)

    return [part(layer.name, layer.kind, build, "becomes a scaling")], features


def _embedding(layer: Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    tokens, width = (layer.config.get(key) for key in ("input_dim", "output_dim"))

    def build() -> Does:
        if features is not None:
            raise ModelError(f"takes tokens but is given {features} numbers a step; put it first")
        _require(layer.config, "mask_zero", (False,), MASKS)
        if not isinstance(tokens, int) or tokens < 1:
            raise ModelError(f"input_dim is {tokens!r}; expected a number of tokens")
        refuse_many(tokens, _width(width, "output_dim"))
        return embedding(weights("embeddings", 0, (tokens, width)))

    made = part(layer.name, layer.kind, build)
    if isinstance(made.does, DenseLayer):
        made = replace(made, note=described_embedding(made.does))
    return [made], width if isinstance(width, int) else None


TAKEN: dict[str, Callable[[Layer, int | None, Weights], tuple[list[Part], int | None]]] = {
    **dict.fromkeys(RECURRENT, _recurrent),
    "Embedding": _embedding,
    "Dense": _dense,
    "TimeDistributed": _dense,
    "Activation": _activation,
    "Softmax": _activation,
    "Normalization": _normalisation,
    "BatchNormalization": _batch_normalisation,
    "Conv1D": _convolution,
    "Bidirectional": _both_ways,
}

_TRAINING_ONLY = "acts in training alone"
NOTHING = {
    "InputLayer": "",
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"),
        _TRAINING_ONLY,
    ),
}

UNKNOWN = "cannot be imported; use LSTM, GRU or SimpleRNN layers and Dense"
"""What is said of a layer that no table names."""

REFUSED = {
    "CuDNNGRU": "keeps its weights as cuDNN does; save the model again with GRU",
    "CuDNNLSTM": "keeps its weights as cuDNN does; save the model again with LSTM",
    "ConvLSTM1D": "is another cell; train LSTM, GRU or SimpleRNN",
    "ConvLSTM2D": "is another cell; train LSTM, GRU or SimpleRNN",
    "Masking": MASKS,
    "Lambda": "is code, which is never run; replace it by a layer",
    "TFOpLambda": "is code, which is never run; replace it by a layer",
    **dict.fromkeys(("SeparableConv1D", "DepthwiseConv1D"), "is another convolution; train a Conv1D, causal"),
    **dict.fromkeys(
        ("MaxPooling1D", "AveragePooling1D"),
        "gives fewer steps than it takes, so that a stream would pause; leave it out",
    ),
    **dict.fromkeys(
        ("GlobalAveragePooling1D", "GlobalMaxPooling1D"),
        "looks back on all steps of a sequence; take the last step of the recurrent layer, which remembers them",
    ),
    "Sequential": "is a model within the model; put its layers in the row themselves",
    "Functional": "is a model within the model; put its layers in the row themselves",
}
