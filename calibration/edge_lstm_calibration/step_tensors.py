"""Tensors that only the explicit-state file has, made of those that a float cell tells, because their ranges count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.model import CellWeights, FastGrnnWeights, GruWeights, PeepholeLstmWeights

Array = NDArray[Any]
Told = Callable[[str], Array]


def step_tensors(layer: CellWeights, told: Told) -> dict[str, Array]:
    """By name, as ``edge_lstm.integer_step`` writes them; ``told`` gives what the cell told of this step."""
    make = _MADE.get(type(layer))
    return {} if make is None else make(layer, told)


def _gru(layer: GruWeights, told: Told) -> dict[str, Array]:
    away = told("h_before") - told("n")
    made = {"h-n": away, "u·(h-n)": (1 - told("z")) * away}
    if layer.reset_after:
        over_x, over_h = (told(name)[:, 2 * layer.units :] for name in ("over_x", "over_h"))
        made |= {"n_over_x": over_x, "n_over_h": over_h, "r·n_over_h": told("r") * over_h}
    return made


def _fastgrnn(layer: FastGrnnWeights, told: Told) -> dict[str, Array]:
    away = told("h_before") - layer.zeta * told("n")
    return {"h-ζ·n": away, "u·(h-ζ·n)": (1 - told("z")) * away}


def _peephole_lstm(_layer: PeepholeLstmWeights, told: Told) -> dict[str, Array]:
    seen = dict(zip("ifo", np.split(told("p·c"), 3, axis=1), strict=True))
    rows = {gate: told(f"{gate}_pre") - seen[gate] for gate in seen}
    return {f"p·c_{gate}": each for gate, each in seen.items()} | {f"{gate}_rows": each for gate, each in rows.items()}


_MADE: dict[type, Callable[[Any, Told], dict[str, Array]]] = {
    GruWeights: _gru,
    FastGrnnWeights: _fastgrnn,
    PeepholeLstmWeights: _peephole_lstm,
}
"""Cell → its tensors; those without a row have none."""
