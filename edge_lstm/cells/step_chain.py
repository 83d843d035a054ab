"""The layers of an explicit-state step model, and what joins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from edge_lstm.arithmetic.tflite_ops import TfliteArithmetic
from edge_lstm.cells.common import Array, Cell, CellTap
from edge_lstm.cells.gated_step import (
    StepConvCell,
    StepDenseCell,
    StepFastGrnnCell,
    StepGruCell,
    StepRnnCell,
    joined,
)
from edge_lstm.cells.look_ahead import LookAhead
from edge_lstm.cells.lstm_step import StepCell, StepPeepholeCell
from edge_lstm.integer import Quant
from edge_lstm.integer_step import (
    StepBidirectional,
    StepConv,
    StepDense,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepLstm,
    StepPeepholeLstm,
    StepRnn,
    StepRnnRelu,
    joint,
)

STEP_CELLS: dict[type, Callable[[Any, TfliteArithmetic], Cell]] = {
    StepLstm: StepCell,
    StepPeepholeLstm: StepPeepholeCell,
    StepGru: StepGruCell,
    StepGruBefore: StepGruCell,
    StepRnn: StepRnnCell,
    StepRnnRelu: StepRnnCell,
    StepFastGrnn: StepFastGrnnCell,
    StepDense: StepDenseCell,
    StepConv: StepConvCell,
}
"""The step of each kind of layer."""


def _look_ahead(layer: StepBidirectional, arithmetic: TfliteArithmetic) -> Cell:
    forward, backward = (STEP_CELLS[type(half)](half, arithmetic) for half in (layer.forward, layer.backward))
    options: Any = {"carries_c": "c" in layer.state, "still": layer.source.zero}
    return LookAhead(forward, backward, layer.features, layer.look_ahead, **options)


STEP_CELLS[StepBidirectional] = _look_ahead


def step_cells(layers: Sequence[StepLayer], arithmetic: TfliteArithmetic) -> list[Cell]:
    """The cells of a model, each of which takes the codes of the one below."""
    first, *others = (STEP_CELLS[type(layer)](layer, arithmetic) for layer in layers)
    joints = [(below.hidden, above.source) for below, above in pairwise(layers)]
    above = [
        cell if a == b else _Requantised(cell, a, b, arithmetic) for cell, (a, b) in zip(others, joints, strict=True)
    ]
    return [first, *above]


class _Requantised:
    """A cell above one that has another quantisation of h."""

    def __init__(self, cell: Cell, below: Quant, own: Quant, arithmetic: TfliteArithmetic) -> None:
        self.units, self._cell = cell.units, cell
        self._to_own = joined(joint(below, own), below, arithmetic)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return self._cell.zero_state(batch)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        return self._cell.step(h, c, self._to_own(x), tap)
