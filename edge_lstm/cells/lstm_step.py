"""The LSTM cell of the explicit-state step model, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import tflite_ops as ops
from edge_lstm.cells.lstm import CellTap
from edge_lstm.integer_step import SIGMOID_OUTPUT, TANH_OUTPUT, StepLstm
from edge_lstm.model import GATES

Array = NDArray[Any]


class StepCell:
    """On (B, F) int8 codes; h and c are int8 codes too, and start at their zero points."""

    def __init__(self, layer: StepLstm) -> None:
        self.units, self._layer = layer.units, layer
        self._squash = {
            gate: (ops.tanh_table if gate == "g" else ops.sigmoid_table)(
                block.output, TANH_OUTPUT if gate == "g" else SIGMOID_OUTPUT
            )
            for gate, block in zip(GATES, layer.gates, strict=True)
        }
        self._squash_cell = ops.tanh_table(layer.cell, TANH_OUTPUT)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.full(shape, self._layer.hidden.zero, np.int64), np.full(shape, self._layer.cell.zero, np.int64)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        layer = self._layer
        joint = np.concatenate([x, h], axis=1)
        pre = {g: ops.fully_connected(joint, block) for g, block in zip(GATES, layer.gates, strict=True)}
        gate = {g: self._squash[g][z + 128] for g, z in pre.items()}
        kept = ops.mul(gate["f"], SIGMOID_OUTPUT, c, layer.cell, layer.kept)
        added = ops.mul(gate["i"], SIGMOID_OUTPUT, gate["g"], TANH_OUTPUT, layer.added)
        c_new = ops.add(kept, layer.kept, added, layer.added, layer.cell)
        squashed = self._squash_cell[c_new + 128]
        h_new = ops.mul(gate["o"], SIGMOID_OUTPUT, squashed, TANH_OUTPUT, layer.hidden)
        if tap is not None:
            seen = {"x": x, "h_before": h, **{f"{g}_pre": z for g, z in pre.items()}, **gate, "c": c_new, "h": h_new}
            for name, value in seen.items():
                tap(name, value)
        return h_new, c_new
