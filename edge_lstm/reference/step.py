"""The reference network of the explicit-state step model."""

from __future__ import annotations

from edge_lstm.arithmetic.tflite_ops import fully_connected
from edge_lstm.cells.lstm_step import StepCell
from edge_lstm.integer_step import StepModel
from edge_lstm.reference.network import Cell, Network


def step_network(model: StepModel) -> Network:
    """What tflite-runtime and LiteRT compute on ``model_step_int8.tflite``; the state is (h, c) int8 codes a layer."""
    cells: list[Cell] = [StepCell(layer) for layer in model.layers]
    return Network(cells, lambda h: fully_connected(h, model.head))
