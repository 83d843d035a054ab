"""Float models of every cell and of several in one stack, with weights of the size training gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from models import float_model

from edge_lstm.model import (
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RnnWeights,
    Scaling,
)

CELL_NAMES = ("lstm", "gru", "gru-before", "rnn", "fastgrnn", "rnn-relu")

STACKS: dict[str, tuple[int, tuple[tuple[str, int], ...], int]] = {
    **{f"one {name}": (1, ((name, 1),), 1) for name in CELL_NAMES[1:]},
    **{f"{name}s": (9, ((name, 24), (name, 7)), 4) for name in CELL_NAMES[1:]},
    "one lstm-peephole": (1, (("lstm-peephole", 1),), 1),
    "lstm-peepholes": (9, (("lstm-peephole", 24), ("lstm-peephole", 7)), 4),
    "mixed peephole": (4, (("gru", 7), ("lstm-peephole", 6), ("lstm", 5), ("lstm-peephole", 8)), 2),
    "mixed": (5, tuple(zip(CELL_NAMES, (9, 8, 7, 6, 5, 4), strict=True)), 3),
    "mixed keras": (5, (("rnn", 9), ("gru", 8), ("lstm", 7), ("gru-before", 6), ("gru", 5), ("lstm", 4)), 3),
    "mixed dense": (5, (("dense-tanh", 6), ("gru", 7), ("dense-linear", 4), ("lstm", 5), ("dense-relu", 8)), 3),
    "convolutions": (3, (("conv-relu-5", 7), ("conv-linear-2", 6), ("lstm", 8)), 3),
    "convolution between": (4, (("gru", 6), ("conv-tanh-3", 5), ("rnn", 6), ("conv-relu-2", 5)), 2),
    "looking ahead": (3, (("both-lstm-3", 8), ("gru", 6)), 3),
    "looking ahead of all": (3, (("both-rnn-2", 8), ("both-gru-1", 6), ("both-gru-before-4", 4)), 2),
    "behind lstm": (4, (("lstm", 9), ("dense-relu", 6), ("dense-sigmoid", 5)), 2),
    "mixed backwards": (5, tuple(zip(CELL_NAMES[::-1], (4, 5, 6, 7, 8, 9), strict=True)), 3),
}
"""Name → features, (cell, units) of each layer, outputs. ``gru-before`` resets before the product;
a dense layer is named with its activation, a convolution with its taps too,
a bidirectional one with its cell and the steps it looks ahead."""


def cell_weights(cell: str, features: int, units: int, rng: np.random.Generator) -> CellWeights:
    """One random layer."""

    def arrays(matrices: int, biases: int) -> tuple[Any, Any, Any]:
        kernel = rng.normal(0, 1 / np.sqrt(features), (matrices, units, features))
        recurrent = rng.normal(0, 1 / np.sqrt(units), (matrices, units, units))
        return kernel, recurrent, rng.normal(0, 0.3, (biases, units))

    if cell == "gru":
        return GruWeights(*arrays(3, 3), rng.normal(0, 0.3, units))
    if cell == "gru-before":
        return GruWeights(*arrays(3, 3), np.zeros(units), reset_after=False)
    if cell == "rnn":
        return RnnWeights(*arrays(1, 1))
    if cell == "rnn-relu":
        kernel, recurrent, bias = arrays(1, 1)
        # A rectified state that feeds itself grows where the matrix has a gain above 1; most units are to be awake.
        return RnnWeights(kernel, 0.7 * recurrent, np.abs(bias), "relu")
    if cell.startswith("dense-"):
        return DenseLayerWeights(*arrays(1, 1)[::2], activation=cell.removeprefix("dense-"))
    if cell.startswith("conv-"):
        _, activation, taps = cell.split("-")
        kernel = rng.normal(0, 1 / np.sqrt(features * int(taps)), (1, units, features * int(taps)))
        return ConvWeights(kernel, rng.normal(0, 0.3, (1, units)), activation=activation, taps=int(taps))
    if cell.startswith("both-"):
        half, _, steps = cell.removeprefix("both-").rpartition("-")
        forward, backward = (cell_weights(half, features, units // 2, rng) for _ in range(2))
        return BidirectionalWeights(forward, backward, int(steps))  # type: ignore[arg-type]
    if cell == "fastgrnn":
        return FastGrnnWeights(*arrays(1, 2), zeta=0.83, nu=0.04)
    if cell == "lstm-peephole":
        return PeepholeLstmWeights(*arrays(4, 4), rng.normal(0, 0.3, (3, units)))
    return LstmWeights(*arrays(4, 4))


def stacked(
    features: int, layers: Sequence[tuple[str, int]], outputs: int, seed: int = 0, **options: Any
) -> FloatModel:
    """A model of these layers; ``options`` are those of ``float_model``."""
    rng = np.random.default_rng(seed)
    around = float_model(features, [units for _, units in layers], outputs, seed, **options)
    made, width = [], features
    for cell, units in layers:
        made.append(cell_weights(cell, width, units, rng))
        width = units
    return replace(around, layers=tuple(made))


def physical_targets(model: FloatModel) -> FloatModel:
    """The same with targets in units of their own."""
    rng = np.random.default_rng(7)
    targets = Scaling(rng.normal(0, 3, model.head.outputs), rng.uniform(0.5, 2, model.head.outputs))
    return model.with_interface(target_scaling=targets)
