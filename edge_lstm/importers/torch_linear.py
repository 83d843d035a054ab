"""Linear layers, convolutions and batch normalisations of a state dict, and what may stand behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import convolutions
from edge_lstm.importers.chain import Array, DenseLayer, Does, Part, dense_weights, part
from edge_lstm.importers.embedding import described, embedding
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.scales import normalising
from edge_lstm.importers.torch_order import Kind, Module
from edge_lstm.importers.untold import asked

EPSILON = 1e-5
"""Of ``nn.BatchNorm1d``, where nobody says another: https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html"""

_STATISTICS = ("running_mean", "running_var")


def plain_module(prefix: str, tensors: Mapping[str, Array]) -> Module | None:
    """The module of tensors by the last part of their names; None if they are those of none that we have."""
    name = prefix.rstrip(".") or "head"
    if set(tensors) <= {"weight", "bias"} and "weight" in tensors and tensors["weight"].ndim == 2:
        return _linear(name, tensors["weight"], tensors.get("bias"))
    if set(tensors) <= {"weight", "bias"} and "weight" in tensors and tensors["weight"].ndim == 3:
        return _convolution(name, tensors["weight"], tensors.get("bias"))
    if set(_STATISTICS) <= set(tensors) <= {"weight", "bias", *_STATISTICS}:
        return _normalisation(name, tensors)
    return None


def _linear(name: str, weights: Array, bias: Array | None) -> Module:
    outputs, features = weights.shape

    def build() -> Does:
        return dense_weights(weights, np.zeros(outputs) if bias is None else bias)

    made = _module(part(name, "Linear", build, f"{outputs} outputs"), features, outputs, "linear")
    return made if bias is not None else replace(made, otherwise=_embedding(name, weights))


def _convolution(name: str, weights: Array, bias: Array | None) -> Module:
    """``nn.Conv1d`` keeps (units, features, steps), the oldest step first."""
    units, features, steps = weights.shape

    def build() -> Does:
        if 0 in weights.shape or max(units, features) > MOST_UNITS:
            raise ModelError(
                f"its weight has shape {weights.shape}, the limit is {MOST_UNITS} units; train a smaller layer"
            )
        return convolutions.convolution(weights.transpose(0, 2, 1), np.zeros(units) if bias is None else bias)

    return _module(part(name, "Conv1d", build, convolutions.described(units, steps)), features, units, "linear")


def _embedding(name: str, table: Array) -> Module:
    """``nn.Embedding`` keeps (V, D), as a linear layer without a bias keeps (outputs, inputs)."""
    made = part(name, "Embedding", lambda: embedding(table))
    if isinstance(made.does, DenseLayer):
        made = replace(made, note=described(made.does))
    return Module(name, (made,), len(table), table.shape[1], "embedding")


def _normalisation(name: str, tensors: Mapping[str, Array]) -> Module:
    width = tensors["running_mean"].size

    def build() -> Does:
        wrong = next((tensor.shape for tensor in tensors.values() if tensor.shape != (width,)), None)
        if wrong is not None:
            raise ModelError(f"its tensors have shapes {(width,)} and {wrong}; save the state dict again")
        gain, offset = tensors.get("weight", np.ones(width)), tensors.get("bias", np.zeros(width))
        return normalising(gain, offset, tensors["running_mean"], tensors["running_var"], EPSILON)

    return _module(part(name, "BatchNorm1d", build, "becomes a scaling"), width, width, "normalisation")


def _module(made: Part, takes: int, gives: int, kind: Kind) -> Module:
    known = not made.obstacle
    return Module(made.name, (made,), takes if known else None, gives if known else None, kind)


def with_activations(modules: Sequence[Module]) -> tuple[list[Part], dict[int, str]]:
    """The parts of modules in a row, and which of them are activations to be told: see ``Chain.untold``.

    One may stand behind each linear layer but the head, and behind the normalisation of such a layer.
    """
    last = next((module for module in reversed(modules) if module.kind != "normalisation"), None)
    squashed: dict[Module, str] = {}
    for before, module in zip((None, *modules), modules, strict=False):
        of_linear = module.kind == "normalisation" and before in squashed
        if (module.kind == "linear" and module is not last) or of_linear:
            squashed[module] = module.name
    why = asked(list(squashed.values()))
    parts: list[Part] = []
    places = {}
    for module in modules:
        parts += module.parts
        if module in squashed:
            places[len(parts)] = why
            parts.append(Part(module.name, "activation"))
    return parts, places
