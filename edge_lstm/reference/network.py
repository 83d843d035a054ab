"""A whole network one step at a time: cells in a row, then the head, with the state in the caller's hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import native
from edge_lstm.arithmetic.fused import RULES, FusedRules
from edge_lstm.arithmetic.tflite_ops import FullyConnected, TfliteArithmetic
from edge_lstm.cells.common import AffineRows, Cell, CellTap
from edge_lstm.cells.gated import FloatConv, FloatDense, FloatFastGrnn, FloatGru, FloatPeepholeLstm, FloatRnn
from edge_lstm.cells.look_ahead import LookAhead, NativeLookAhead
from edge_lstm.cells.lstm import FloatLstm, FusedLstm, NativeLstmCell
from edge_lstm.cells.native_gated import NATIVE_STEPS
from edge_lstm.cells.step_chain import step_cells
from edge_lstm.errors import ModelError
from edge_lstm.integer import Affine, Arithmetic, NativeBidirectional, NativeLstm, NativeModel, TfliteDense, TfliteModel
from edge_lstm.integer_step import StepModel
from edge_lstm.model import (
    BidirectionalWeights,
    ConvWeights,
    DenseLayerWeights,
    DenseWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RnnWeights,
)

Array = NDArray[Any]
State = tuple[tuple[Array, Array], ...]
"""(h, c) of each layer, (B, H) each."""

Tap = Callable[[int, str, Array], None]
"""Sees (layer, tensor name, value) for every tensor of a step; the head is layer ``len(layers)``, tensor ``y``."""


FLOAT_CELLS: dict[type, Callable[[Any], Cell]] = {
    LstmWeights: FloatLstm,
    PeepholeLstmWeights: FloatPeepholeLstm,
    GruWeights: FloatGru,
    RnnWeights: FloatRnn,
    FastGrnnWeights: FloatFastGrnn,
    DenseLayerWeights: FloatDense,
    ConvWeights: FloatConv,
}
"""The step of each kind of layer in floating point."""


def _float_look_ahead(layer: BidirectionalWeights) -> Cell:
    forward, backward = (FLOAT_CELLS[type(half)](half) for half in (layer.forward, layer.backward))
    carries_c = isinstance(layer.forward, LstmWeights)
    return LookAhead(forward, backward, layer.features, layer.look_ahead, carries_c=carries_c)


def _native_look_ahead(layer: NativeBidirectional) -> Cell:
    forward, backward = (NATIVE_CELLS[type(half)](half) for half in (layer.forward, layer.backward))
    return NativeLookAhead(forward, backward, layer.features, layer.look_ahead)


FLOAT_CELLS[BidirectionalWeights] = _float_look_ahead

NATIVE_CELLS: dict[type, Callable[[Any], Cell]] = {NativeLstm: NativeLstmCell, **NATIVE_STEPS}
"""The step of each kind of layer in arithmetic ``native``."""
NATIVE_CELLS[NativeBidirectional] = _native_look_ahead


class Network:
    """Cells in a row and a head. It holds no state: ``step`` takes it and gives the next."""

    def __init__(self, cells: list[Cell], head: Callable[[Array], Array]) -> None:
        self.cells, self.head = cells, head

    def zero_state(self, batch: int = 1) -> State:
        """The state before the first sample."""
        return tuple(cell.zero_state(batch) for cell in self.cells)

    def step(self, state: State, x: Array, tap: Tap | None = None) -> tuple[State, Array]:
        """(B, F) inputs → the new state and (B, O) outputs."""
        new_state = []
        for index, (cell, (h, c)) in enumerate(zip(self.cells, state, strict=True)):
            h, c = cell.step(h, c, x, None if tap is None else _bind(tap, index))
            new_state.append((h, c))
            x = h
        y = self.head(x)
        if tap is not None:
            tap(len(self.cells), "y", y)
        return tuple(new_state), y


def network(
    model: FloatModel | NativeModel | TfliteModel | StepModel, arithmetic: Arithmetic | TfliteArithmetic | None = None
) -> Network:
    """The reference network of a model.

    Args:
        arithmetic: for a ``TfliteModel`` or a ``StepModel``, ``tflite`` (default), ``tflm``, or what a runtime computes
            on Arm, ``tflite-arm`` or ``litert-arm``; other models have one arithmetic only.

    Raises:
        ModelError: if the model's integers cannot be computed under ``arithmetic``.
    """
    if isinstance(model, FloatModel):
        _require(arithmetic, (None,), "a float model")
        return Network([FLOAT_CELLS[type(layer)](layer) for layer in model.layers], _float_head(model.head))
    if isinstance(model, NativeModel):
        _require(arithmetic, (None, "native"), "a native model")
        return Network([NATIVE_CELLS[type(layer)](layer) for layer in model.layers], _native_head(model.head))
    _require(arithmetic, (None, *RULES), "a tflite model")
    kind = cast(TfliteArithmetic, arithmetic or "tflite")
    if isinstance(model, StepModel):
        return Network(step_cells(model.layers, kind), FullyConnected(model.head, kind))
    rules = RULES[kind]
    cells: list[Cell] = [FusedLstm(layer, rules) for layer in model.layers]
    return Network(cells, _dense_head(model.head, rules))


def _require(arithmetic: str | None, allowed: tuple[str | None, ...], what: str) -> None:
    if arithmetic not in allowed:
        names = ", ".join(a for a in allowed if a)
        raise ModelError(f"{what} cannot be computed in arithmetic {arithmetic!r}; it has {names or 'none to choose'}")


def _bind(tap: Tap, layer: int) -> CellTap:
    return lambda name, value: tap(layer, name, value)


def _float_head(head: DenseWeights) -> Callable[[Array], Array]:
    weights, bias = head.weights.T.astype(np.float64), head.bias.astype(np.float64)
    return lambda h: np.asarray(h @ weights + bias)


def _native_head(head: Affine) -> Callable[[Array], Array]:
    rows = AffineRows(head)
    return lambda h: native.saturate16(rows(h))


def _dense_head(head: TfliteDense, rules: FusedRules) -> Callable[[Array], Array]:
    weights = head.weights.astype(np.float64).T
    bias = head.bias - head.input.zero * head.weights.sum(axis=1, dtype=np.int64)
    multiplier = rules.dense_multiplier(head.weight_scale, head.input, head.output)
    requantise = rules.dense_of(*head.weights.shape)

    def apply(h: Array) -> Array:
        accumulator = (h @ weights).astype(np.int64) + bias
        return np.asarray(np.clip(requantise(accumulator, multiplier) + head.output.zero, -128, 127))

    return apply
