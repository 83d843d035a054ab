"""Keras files: ``.keras`` (a zip of JSON and HDF5) and whole-model ``.h5``, read without Keras.

Both name the layers in a JSON configuration and keep the weights apart: ``.keras`` by the class of a layer and a count,
``.h5`` by the layer's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import BATCH_FIRST, Array, Chain, Part
from edge_lstm.importers.embedding import MASKS
from edge_lstm.importers.hdf5 import descend, open_hdf5, read_array
from edge_lstm.importers.keras_layers import (
    NOTHING,
    RECURRENT,
    REFUSED,
    Config,
    Layer,
    Shape,
    Weights,
    is_custom,
    parts_of,
)
from edge_lstm.importers.limits import Budget, member, open_zip
from edge_lstm.importers.trial import try_first


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


def _numbered(file: Any, layer: Layer, budget: Budget) -> Weights:
    """``layers/lstm_1/cell/vars/0``, and ``layers/bidirectional/forward_layer/cell/vars/0`` of ``forward/kernel``.

    Keras 2 gave the folder of the layers a longer name.
    """
    own = _snake(layer.kind) + (f"_{layer.count}" if layer.count else "")
    inner = "layer/" if layer.kind == "TimeDistributed" else "cell/" if layer.kind in RECURRENT else ""

    def read(name: str, place: int, shape: Shape) -> Array:
        half = name.rpartition("/")[0]
        within = f"{half}_layer/cell/" if half else inner
        paths = (f"{folder}/{own}/{within}vars/{place}" for folder in ("layers", "_layer_checkpoint_dependencies"))
        return read_array(next(filter(None, (descend(file, p) for p in paths)), None), name, shape, budget)

    return read


def _snake(name: str) -> str:
    """``TimeDistributed`` → ``time_distributed``, as Keras does it."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _named(file: Any, layer: Layer, budget: Budget) -> Weights:
    """``model_weights/NAME`` lists its weights, as ``NAME/lstm_cell/kernel:0`` or without the last two characters;
    those of a half with a folder between, as ``forward_lstm``.
    """

    def read(name: str, place: int, shape: Shape) -> Array:  # noqa: ARG001
        group = descend(file, f"model_weights/{layer.name}")
        listed = [] if group is None else [_text(n) for n in group.attrs.get("weight_names", ())]
        half, _, plain = name.rpartition("/")
        own = [n for n in listed if not half or any(folder.startswith(f"{half}_") for folder in n.split("/"))]
        path = next((n for n in own if n.rpartition("/")[2].partition(":")[0] == plain), None)
        return read_array(None if path is None else descend(group, path), name, shape, budget)

    return read


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


# ---- the row of layers ----


def _chain(config: Config, weights_of: Callable[[Layer], Weights], path: Path) -> Chain:
    try:
        layers = _in_order(config, path)
        batch_shape = next(filter(None, (_batch_shape(layer.config) for layer in layers)), (None, None, None))
        first = next((layer for layer in layers if layer.kind not in NOTHING), None)
        tokens = first.config.get("input_dim") if first is not None and first.kind == "Embedding" else None
        if len(batch_shape) != (3 if tokens is None else 2):
            wanted = "(batch, steps, features)" if tokens is None else "(batch, steps) of tokens"
            raise ModelError(f"{path}: its input has shape {tuple(batch_shape)}; expected {wanted}")
        batch, steps, features = (None if n is None else int(n) for n in (*batch_shape, None)[:3])
        parts: list[Part] = []
        carrying = [bool(layer.config.get("stateful", False)) for layer in layers if layer.kind in RECURRENT]
        for layer in layers:
            made, features = parts_of(layer, features, weights_of(layer))
            parts += made if all(carrying) or not any(carrying) else [_carrying_alike(made[0], layer), *made[1:]]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ModelError(f"{path}: its configuration is not one that Keras writes ({error!r})") from error
    carried = bool(carrying) and all(carrying)
    return Chain(
        "keras",
        tuple(parts),
        steps,
        batch,
        (_CARRIED,) if carried else (),
        BATCH_FIRST if tokens is None else BATCH_FIRST[:2],
        carried=carried,
        tokens=tokens,
    )


_CARRIED = "its layers are stateful: the state is carried for ever, and each sequence of a batch is a stream of its own"


def _carrying_alike(made: Part, layer: Layer) -> Part:
    """A stream zeroes the states of all layers together."""
    if made.obstacle or layer.kind not in RECURRENT or layer.config.get("stateful"):
        return made
    return replace(made, obstacle="is not stateful while another layer is; make all of them so, or none")


def _batch_shape(config: Config) -> Sequence[Any] | None:
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    return shape if isinstance(shape, list | tuple) else None


def _in_order(config: Config, path: Path) -> list[Layer]:
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
    following: dict[str, list[Layer]] = {}
    for layer in layers:
        for source in layer.sources:
            following.setdefault(source, []).append(layer)
    first = [layer for layer in layers if not layer.sources]
    row = first[:1]
    while row and len(row) <= len(layers) and following.get(row[-1].name):
        row.append(following[row[-1].name][0])
    joint = next((layer for layer in layers if len(layer.sources) > 1), None)
    fork = next((name for name, after in following.items() if len(after) > 1), None)
    masking = next((layer for layer in layers if layer.kind in REFUSED or layer.config.get("mask_zero")), None)
    if joint and masking:  # a mask is a second tensor that every layer behind is given
        why = REFUSED.get(masking.kind, f"mask_zero is True: {MASKS}")
        raise ModelError(f"{path}: {masking.name} ({masking.kind}): {why}")
    if joint or fork or len(first) != 1 or len(row) != len(layers):
        where = joint.name if joint else fork or (first[1].name if len(first) > 1 else layers[-1].name)
        raise ModelError(f"{path}: {where}: the layers branch or join there; only layers in a row can be imported")
    return row


def _layers(listed: Sequence[Config]) -> Iterator[Layer]:
    counts: dict[str, int] = {}
    for entry in listed:
        kind, config = str(entry["class_name"]), entry["config"]
        name = str(config.get("name", entry.get("name", kind)))
        sources = tuple(_sources(entry.get("inbound_nodes", ())))
        yield Layer(name, kind, config, counts.get(kind, 0), is_custom(entry), sources)
        counts[kind] = counts.get(kind, 0) + 1


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
