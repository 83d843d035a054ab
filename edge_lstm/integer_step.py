"""The integers of the explicit-state step model: int8 tensors and int8 operators only, the state in the caller's hands.

A layer computes, tensor by tensor, each with a quantisation of its own::

    v = [x | h]          concatenated, so x and h share one quantisation
    z_k = W_k v + b_k    k = i, f, g, o
    i, f, o = σ(z)       g = tanh(z_g)
    c' = f·c + i·g       the two products are tensors too
    h' = o·tanh(c')

Samples are encoded channel by channel over the whole of int8, with each channel's gain and offset folded into the first
layer's weights; that is why x can share the quantisation of h without losing resolution. All layers share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.integer import Decoding, Encoding, Quant, TfliteDense
from edge_lstm.model import GATES, Interface

SIGMOID_OUTPUT = Quant(1.0 / 256.0, -128)
TANH_OUTPUT = Quant(1.0 / 128.0, 0)
"""The quantisations that the int8 LOGISTIC and TANH operators demand of their outputs."""


@dataclass(frozen=True, eq=False)
class StepLstm:
    """One layer.

    Args:
        gates: i, f, g, o: blocks (H, F + H) over [x | h]; their outputs are the pre-activations.
        kept: quantisation of f·c.
        added: quantisation of i·g.
        cell: quantisation of the cell state, the same going in and coming out.

    Raises:
        ModelError: if the gates do not fit together.
    """

    gates: tuple[TfliteDense, ...]
    kept: Quant
    added: Quant
    cell: Quant

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", tuple(self.gates))
        if len(self.gates) != len(GATES) or len({gate.weights.shape for gate in self.gates}) != 1:
            raise ModelError("a step layer needs four gates of one shape")
        if len({gate.input for gate in self.gates}) != 1:
            raise ModelError("the gates of a step layer read one tensor, so they need one input quantisation")
        if self.features < 1:
            raise ModelError(f"a step layer's gates have shape {self.gates[0].weights.shape}; expected (H, F + H)")

    @property
    def units(self) -> int:
        return int(self.gates[0].weights.shape[0])

    @property
    def features(self) -> int:
        return int(self.gates[0].weights.shape[1]) - self.units

    @property
    def hidden(self) -> Quant:
        """Quantisation of x and h."""
        return self.gates[0].input


@dataclass(frozen=True, eq=False)
class StepModel:
    """An explicit-state step model; ``head`` gives int8 output codes.

    Raises:
        ModelError: if layers and head do not share one quantisation of h.
    """

    layers: tuple[StepLstm, ...]
    head: TfliteDense
    encoding: Encoding
    decoding: Decoding
    interface: Interface
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if {layer.hidden for layer in self.layers} != {self.head.input}:
            raise ModelError("all layers of a step model and its head need one quantisation of h")


def to_arrays(model: StepModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays by name and JSON values: all of the model but its interface and report."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"layers": [], "decoding": [model.decoding.scale, model.decoding.zero]}
    for index, layer in enumerate(model.layers):
        gates = [_dense_to(arrays, f"layers.{index}.{gate}", layer.gates[k]) for k, gate in enumerate(GATES)]
        ranges = {name: _quant_to(getattr(layer, name)) for name in ("kept", "added", "cell")}
        header["layers"].append({"gates": gates, **ranges})
    header["head"] = _dense_to(arrays, "head", model.head)
    header["encoding_zero"] = model.encoding.zero
    arrays |= {f"encoding.{name}": getattr(model.encoding, name) for name in ("offset", "gain", "low", "high")}
    return arrays, header


def from_arrays(
    arrays: dict[str, Any], header: dict[str, Any], interface: Interface, report: dict[str, Any] | None = None
) -> StepModel:
    """The inverse of ``to_arrays``."""
    layers = tuple(
        StepLstm(
            tuple(_dense_from(arrays, f"layers.{index}.{gate}", row["gates"][k]) for k, gate in enumerate(GATES)),
            *(Quant(*row[name]) for name in ("kept", "added", "cell")),
        )
        for index, row in enumerate(header["layers"])
    )
    offset, gain, low, high = (arrays[f"encoding.{name}"] for name in ("offset", "gain", "low", "high"))
    return StepModel(
        layers,
        _dense_from(arrays, "head", header["head"]),
        Encoding(offset, gain, header["encoding_zero"], low, high),
        Decoding(*header["decoding"]),
        interface,
        report or {},
    )


def _quant_to(quant: Quant) -> list[float]:
    return [quant.scale, quant.zero]


def _dense_to(arrays: dict[str, Any], name: str, block: TfliteDense) -> dict[str, Any]:
    arrays[f"{name}.weights"] = np.asarray(block.weights)
    arrays[f"{name}.bias"] = np.asarray(block.bias)
    return {"weight_scale": block.weight_scale, "input": _quant_to(block.input), "output": _quant_to(block.output)}


def _dense_from(arrays: dict[str, Any], name: str, row: dict[str, Any]) -> TfliteDense:
    weights, bias = arrays[f"{name}.weights"], arrays[f"{name}.bias"]
    return TfliteDense(weights, bias, row["weight_scale"], Quant(*row["input"]), Quant(*row["output"]))
