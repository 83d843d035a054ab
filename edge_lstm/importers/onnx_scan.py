"""A FastGRNN, which ONNX has no operator for: the ``Scan`` that edge-lstm writes, told by its body, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import described
from edge_lstm.importers.chain import TIME_FIRST, Recurrent
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.onnx_node import Node, Taken
from edge_lstm.importers.onnx_recurrent import refuse_start
from edge_lstm.importers.onnx_tensors import Constants
from edge_lstm.model import FastGrnnWeights

PROGRAM = "is a program, not a layer; export LSTM, GRU or RNN as one node"
"""Why any other is refused."""

_SHARED = ("Add", ("MatMul", "x", "W"), ("MatMul", "h", "R"))
_GATE = ("Sigmoid", ("Add", _SHARED, "b_z"))
_SHARE = ("Add", ("Mul", ("Sub", "one", _GATE), "zeta"), "nu")
_STEP = ("Add", ("Mul", _GATE, "h"), ("Mul", _SHARE, ("Tanh", ("Add", _SHARED, "b_n"))))
"""The new hidden state: operators and their inputs in order, and names for what the body is given and holds."""

_LAST, _EVERY = 0, 1
"""Outputs of the Scan."""


def scan(node: Node) -> Taken:
    """The layer of a Scan.

    Raises:
        ModelError: if it is not exactly what edge-lstm writes of a FastGRNN.
    """
    body = next((a.g for a in node.proto.attribute if a.name == "body"), None)
    bound = None if body is None else _bound(body)
    if body is None or bound is None or node.attributes != {"num_scan_inputs": 1} or len(node.proto.input) != 2:
        raise ModelError(PROGRAM)
    if node.axes != TIME_FIRST:
        raise ModelError(f"is given ({', '.join(node.axes)}), it takes ({', '.join(TIME_FIRST)})")
    refuse_start(node, 0, "initial_h")
    weights = _weights(node.constants.of(body), bound)
    every = node.taken == _EVERY
    return Recurrent(weights, every), TIME_FIRST if every else TIME_FIRST[1:], described(weights)


def _bound(body: Any) -> Mapping[str, str] | None:
    """Name in ``_STEP`` → tensor of the body; None if the body is another."""
    makers = {name: each for each in body.node for name in each.output}
    if len(body.input) != 2 or len(body.output) != 2:
        return None
    bound = dict(zip("hx", (entry.name for entry in body.input), strict=True))
    carried, told = (entry.name for entry in body.output)
    told_node = makers.get(told)
    same = told_node is not None and told_node.op_type == "Identity" and list(told_node.input) == [carried]
    return bound if same and _matches(_STEP, carried, makers, bound) else None


def _matches(form: Any, name: str, makers: Mapping[str, Any], bound: dict[str, str]) -> bool:
    """Whether a tensor is computed in a form; what its names stand for is put into ``bound``."""
    if isinstance(form, str):
        return bound.setdefault(form, name) == name
    node = makers.get(name)
    kind, *of = form
    if node is None or node.op_type != kind or node.domain not in ("", "ai.onnx") or len(node.input) != len(of):
        return False
    return all(_matches(each, given, makers, bound) for each, given in zip(of, node.input, strict=True))


def _weights(constants: Constants, bound: Mapping[str, str]) -> FastGrnnWeights:
    kernel, recurrent, b_z, b_n = (constants.get(bound[key], key) for key in ("W", "R", "b_z", "b_n"))
    one, zeta, nu = (constants.get(bound[key], key) for key in ("one", "zeta", "nu"))
    units = b_z.size
    shapes = kernel.shape[1:], recurrent.shape, b_z.shape, b_n.shape
    if shapes != ((units,), (units, units), (units,), (units,)) or kernel.ndim != 2 or not 1 <= units <= MOST_UNITS:
        raise ModelError(
            f"W, R and its biases have shapes {kernel.shape}, {recurrent.shape}, {b_z.shape} and {b_n.shape}; expected "
            f"(features, units), (units, units) and twice (units,) of at most {MOST_UNITS} units"
        )
    if any(value.size != 1 for value in (one, zeta, nu)) or float(one.ravel()[0]) != 1:
        raise ModelError(PROGRAM)
    return FastGrnnWeights(
        kernel.T[None], recurrent.T[None], np.stack([b_z, b_n]), float(zeta.ravel()[0]), float(nu.ravel()[0])
    )
