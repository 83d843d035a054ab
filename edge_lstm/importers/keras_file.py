"""Keras files: ``.keras`` (a zip of JSON and HDF5) and whole-model ``.h5``, read without Keras.

Both name the layers in a JSON configuration and keep the weights apart: ``.keras`` by the class of a layer and a count,
``.h5`` by the layer's name. Keras keeps a kernel as (F, G·H) with the gates side by side, in our order: i, f, c, o of
an LSTM and z, r, h of a GRU. A GRU that resets after the product has its two biases above each other, (2, 3H).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import GATES, Rows, cell_weights, described
from edge_lstm.importers.chain import (
    Activation,
    Array,
    Chain,
    Does,
    Normalise,
    Part,
    Recurrent,
    dense_weights,
    part,
)
from edge_lstm.importers.hdf5 import descend, open_hdf5, read_array
from edge_lstm.importers.limits import MOST_UNITS, Budget, member, open_zip
from edge_lstm.importers.trial import try_first

Config = Mapping[str, Any]
Shape = tuple[int | None, ...]
Weights = Callable[[str, int, Shape], Array]
"""(name of a weight, its place among the layer's, shape) → the numbers."""


@dataclass(frozen=True)
class _Layer:
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


def read_keras(path: Path) -> Chain:
    """The chain of a ``.keras`` file.

    Raises:
        ModelError: if it is none, or branches.
    """
    try_first(_read_keras, path)
    return _read_keras(path)


def _read_keras(path: Path) -> Chain:
    with open_zip(path) as archive:
        config = _json(member(archive, "config.json", path), path)
        weights = member(archive, "model.weights.h5", path)
    with open_hdf5(weights, path) as file:
        budget = Budget()
        return _chain(config, lambda layer: _numbered(file, layer, budget), path)


def read_h5(path: Path) -> Chain:
    """The chain of an ``.h5`` file that holds a whole model.

    Raises:
        ModelError: if it is none, or branches.
    """
    try_first(_read_h5, path)
    return _read_h5(path)


def _read_h5(path: Path) -> Chain:
    with open_hdf5(path, path) as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise ModelError(f"{path}: holds weights without a model; save it with model.save, not save_weights")
        budget = Budget()
        return _chain(_json(config, path), lambda layer: _named(file, layer, budget), path)


def _json(text: Any, path: Path) -> Config:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its configuration is not JSON ({error}); save the model again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: its configuration is no JSON object; save the model again")
    return value


# ---- weights ----


def _numbered(file: Any, layer: _Layer, budget: Budget) -> Weights:
    """``layers/lstm_1/cell/vars/0``. Keras 2 gave the folder of the layers a longer name."""
    own = _snake(layer.kind) + (f"_{layer.count}" if layer.count else "")
    inner = "layer/" if layer.kind == "TimeDistributed" else "cell/" if layer.kind in _RECURRENT else ""

    def read(name: str, place: int, shape: Shape) -> Array:
        paths = (f"{folder}/{own}/{inner}vars/{place}" for folder in ("layers", "_layer_checkpoint_dependencies"))
        return read_array(next(filter(None, (descend(file, p) for p in paths)), None), name, shape, budget)

    return read


def _snake(name: str) -> str:
    """``TimeDistributed`` → ``time_distributed``, as Keras does it."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _named(file: Any, layer: _Layer, budget: Budget) -> Weights:
    """``model_weights/NAME`` lists its weights, as ``NAME/lstm_cell/kernel:0`` or without the last two characters."""

    def read(name: str, place: int, shape: Shape) -> Array:  # noqa: ARG001
        group = descend(file, f"model_weights/{layer.name}")
        listed = [] if group is None else [_text(n) for n in group.attrs.get("weight_names", ())]
        path = next((n for n in listed if n.rpartition("/")[2].partition(":")[0] == name), None)
        return read_array(None if path is None else descend(group, path), name, shape, budget)

    return read


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


# ---- the row of layers ----


def _chain(config: Config, weights_of: Callable[[_Layer], Weights], path: Path) -> Chain:
    try:
        layers = _in_order(config, path)
        batch_shape = next(filter(None, (_batch_shape(layer.config) for layer in layers)), (None, None, None))
        if len(batch_shape) != 3:
            raise ModelError(f"{path}: its input has shape {batch_shape}; expected (batch, steps, features)")
        batch, steps, features = (None if n is None else int(n) for n in batch_shape)
        parts: list[Part] = []
        carrying = [bool(layer.config.get("stateful", False)) for layer in layers if layer.kind in _RECURRENT]
        for layer in layers:
            made, features = _parts(layer, features, weights_of(layer))
            parts += made if all(carrying) or not any(carrying) else [_carrying_alike(made[0], layer), *made[1:]]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ModelError(f"{path}: its configuration is not one that Keras writes ({error!r})") from error
    carried = bool(carrying) and all(carrying)
    return Chain("keras", tuple(parts), steps, batch, (_CARRIED,) if carried else (), carried=carried)


_CARRIED = "its layers are stateful: the state is carried for ever, and each sequence of a batch is a stream of its own"


def _carrying_alike(made: Part, layer: _Layer) -> Part:
    """A stream zeroes the states of all layers together."""
    if made.obstacle or layer.kind not in _RECURRENT or layer.config.get("stateful"):
        return made
    return replace(made, obstacle="is not stateful while another layer is; make all of them so, or none")


def _batch_shape(config: Config) -> Sequence[Any] | None:
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    return shape if isinstance(shape, list | tuple) else None


def _in_order(config: Config, path: Path) -> list[_Layer]:
    """The layers from input to output.

    Raises:
        ModelError: if they do not form one row.
    """
    kind = config.get("class_name")
    if kind not in ("Sequential", "Functional", "Model"):
        raise ModelError(f"{path}: is a model of class {kind!r}, whose code is not in the file; build it functionally")
    layers = list(_layers(config["config"]["layers"]))
    if not layers:
        raise ModelError(f"{path}: has no layers; save a trained model")
    if kind == "Sequential":
        return layers
    following: dict[str, list[_Layer]] = {}
    for layer in layers:
        for source in layer.sources:
            following.setdefault(source, []).append(layer)
    first = [layer for layer in layers if not layer.sources]
    row = first[:1]
    while row and len(row) <= len(layers) and following.get(row[-1].name):
        row.append(following[row[-1].name][0])
    joint = next((layer for layer in layers if len(layer.sources) > 1), None)
    fork = next((name for name, after in following.items() if len(after) > 1), None)
    masking = next((layer for layer in layers if layer.kind in _REFUSED), None)
    if joint and masking:  # a mask is a second tensor that every layer behind is given
        raise ModelError(f"{path}: {masking.name} ({masking.kind}): {_REFUSED[masking.kind]}")
    if joint or fork or len(first) != 1 or len(row) != len(layers):
        where = joint.name if joint else fork or (first[1].name if len(first) > 1 else layers[-1].name)
        raise ModelError(f"{path}: {where}: the layers branch or join there; only layers in a row can be imported")
    return row


def _layers(listed: Sequence[Config]) -> Iterator[_Layer]:
    counts: dict[str, int] = {}
    for entry in listed:
        kind, config = str(entry["class_name"]), entry["config"]
        name = str(config.get("name", entry.get("name", kind)))
        sources = tuple(_sources(entry.get("inbound_nodes", ())))
        yield _Layer(name, kind, config, counts.get(kind, 0), _is_custom(entry), sources)
        counts[kind] = counts.get(kind, 0) + 1


def _is_custom(entry: Config) -> bool:
    module, registered = entry.get("module") or "keras.layers", entry.get("registered_name")
    return not str(module).startswith("keras") or registered not in (None, entry["class_name"])


def _sources(nodes: Any) -> Iterator[str]:
    """Names of the layers whose tensors are in a layer's calls: Keras 3 marks them, Keras 2 has [name, 0, 0, {…}]."""
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            yield str(nodes["config"]["keras_history"][0])
            return
        nodes = list(nodes.values())
    if isinstance(nodes, list | tuple):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and all(isinstance(n, int) for n in nodes[1:3]):
            yield nodes[0]
            nodes = nodes[3:]
        for node in nodes:
            yield from _sources(node)


# ---- one layer ----


def _parts(layer: _Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    """The parts of a layer, and how many numbers a step it hands on as far as that is known."""
    if layer.custom:
        return [_refused(layer, "is a class of your own, whose code is not run; use the layer of Keras")], None
    numbers = _dtype(layer.config.get("dtype"))
    if numbers not in ("float32", "float64"):
        return [_refused(layer, f"computes in {numbers}; set its dtype to float32 and save the model again")], features
    if layer.kind in _NOTHING:
        return [Part(layer.name, layer.kind, note=_NOTHING[layer.kind])], features
    taken = _TAKEN.get(layer.kind)
    if taken is None:
        why = _REFUSED.get(layer.kind, "cannot be imported; use LSTM, GRU or SimpleRNN layers and one Dense")
        return [_refused(layer, why)], None
    return taken(layer, features, weights)


def _dtype(policy: Any) -> str:
    """The name of what a layer computes in, which Keras 3 wraps in a policy."""
    if isinstance(policy, dict):
        policy = policy["config"].get("name", policy.get("class_name"))
    return "float32" if policy is None else str(policy)


def _refused(layer: _Layer, why: str) -> Part:
    return Part(layer.name, layer.kind, obstacle=why)


def _require(config: Config, key: str, wanted: Any, why: str) -> None:
    value = config.get(key, wanted)
    value = value.get("config", value) if isinstance(value, dict) else value
    if value != wanted:
        raise ModelError(f"{key} is {value!r}: {why}")


def _width(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_UNITS:
        raise ModelError(f"{what} is {value!r}, the limit is {MOST_UNITS}; train a smaller layer")
    return value


def _recurrent(layer: _Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    kind, config = layer.kind, layer.config
    if kind == "RNN":
        cell = config["cell"]
        kind = _OF_CELLS.get("" if _is_custom(cell) else str(cell["class_name"]), "")
        if not kind:
            return [_refused(layer, f"wraps {cell['class_name']}; use layers LSTM, GRU or SimpleRNN in a row")], None
        config = {**config, **cell["config"]}
    cell_name = _RECURRENT[kind]

    def build() -> Does:
        for key, wanted, why in (*_RULES, *_GATE_RULES.get(kind, ())):
            _require(config, key, wanted, why)
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
            cell_name, Rows(kernel.T, recurrent.T, *biases), tuple(range(GATES[cell_name])), reset_after
        )
        return Recurrent(ours, every_step=bool(config.get("return_sequences", False)))

    units = config.get("units")
    made = part(layer.name, layer.kind, build)
    if isinstance(made.does, Recurrent):
        dropped = config.get("dropout") or config.get("recurrent_dropout")
        made = replace(made, note=described(made.does.weights) + (", dropout passed over" if dropped else ""))
    return [made], units if isinstance(units, int) else None


_RECURRENT = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn", "RNN": ""}
"""Class → cell; that of an RNN is in its configuration."""

_OF_CELLS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"}
"""Class of a cell that an RNN may wrap → the layer that is the same."""

_RULES = (
    ("activation", "tanh", "a cell here squashes with tanh; train it so"),
    ("go_backwards", False, "a stream knows no future; train forwards"),
    ("return_state", False, "the state is carried by the stream itself; leave it out"),
    ("time_major", False, "expected (batch, steps, features); train it so"),
)
"""Key of a recurrent layer's configuration, what it must be, and why."""

_GATE_RULES = dict.fromkeys(
    ("LSTM", "GRU"), (("recurrent_activation", "sigmoid", "a cell here has gates of sigmoid; train it so"),)
)


def _dense(layer: _Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
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


def _probabilities(name: Any) -> Activation | None:
    if name == "linear":
        return None
    if name not in ("softmax", "sigmoid"):
        raise ModelError(f"activation is {name!r}: a head here is linear, softmax or one sigmoid; train it so")
    return Activation(name)


def _activation_parts(layer: _Layer, activation: Any) -> list[Part]:
    if activation == "linear":
        return []
    return [part(layer.name, str(activation), lambda: _probabilities(activation), _NOTES[str(activation)])]


_NOTES = {
    "softmax": "the model keeps logits, a stream makes probabilities of them",
    "sigmoid": "becomes two logits, 0 and z, whose softmax is the same",
}


def _activation(layer: _Layer, features: int | None, _weights: Weights) -> tuple[list[Part], int | None]:
    if layer.kind == "Softmax":
        if layer.config.get("axis", -1) not in (-1, [-1]):
            return [_refused(layer, "axis is not the last; train it so")], None
        return _activation_parts(layer, "softmax"), features
    name = layer.config.get("activation")
    note = _NOTES.get(str(name), "changes nothing")
    return [part(layer.name, layer.kind, lambda: _probabilities(name), note)], features


def _normalisation(layer: _Layer, features: int | None, weights: Weights) -> tuple[list[Part], int | None]:
    config = layer.config

    def build() -> Does:
        _require(config, "invert", False, "it must scale, not undo; use it before the recurrent layers")
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


_TAKEN: dict[str, Callable[[_Layer, int | None, Weights], tuple[list[Part], int | None]]] = {
    **dict.fromkeys(_RECURRENT, _recurrent),
    "Dense": _dense,
    "TimeDistributed": _dense,
    "Activation": _activation,
    "Softmax": _activation,
    "Normalization": _normalisation,
}

_TRAINING_ONLY = "acts in training alone"
_NOTHING = {
    "InputLayer": "",
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"),
        _TRAINING_ONLY,
    ),
}

_REFUSED = {
    "Bidirectional": "reads a sequence from its end, which a stream does not know; train forwards",
    "CuDNNGRU": "keeps its weights as cuDNN does; save the model again with GRU",
    "CuDNNLSTM": "keeps its weights as cuDNN does; save the model again with LSTM",
    "ConvLSTM1D": "is another cell; train LSTM, GRU or SimpleRNN",
    "ConvLSTM2D": "is another cell; train LSTM, GRU or SimpleRNN",
    "Masking": "leaves out steps by their values, which no device does; train on sequences without padding",
    "Lambda": "is code, which is never run; replace it by a layer",
    "TFOpLambda": "is code, which is never run; replace it by a layer",
    "BatchNormalization": "cannot be imported; use Normalization before the recurrent layers",
    "Embedding": "takes tokens, a stream takes numbers; cannot be imported",
    "Conv1D": "cannot be imported; let the recurrent layer take the samples themselves",
    "Sequential": "is a model within the model; put its layers in the row themselves",
    "Functional": "is a model within the model; put its layers in the row themselves",
}
