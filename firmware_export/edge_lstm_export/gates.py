"""Which gate is to blame for a cell state that differs, when a runtime shows its states but not its gates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic.fused import RULES
from edge_lstm.integer import Arithmetic, TfliteModel
from edge_lstm.reference import network
from edge_lstm.runtimes.worker import Trace
from edge_lstm_export.difference import Difference

Array = NDArray[Any]

_EVERY_CODE = np.arange(-32768, 32768, dtype=np.int64)
_EVIDENCE = 64


def likely_gate(
    model: TfliteModel, arithmetic: Arithmetic, codes: Array, found: Trace, difference: Difference, window: int | None
) -> str:
    """The gate that explains the cell states that were found.

    Every step is taken on its own: from the states that were found before it the reference computes the step, and
    where the new cell differs, each of i, f and g is tried with every pre-activation it could have had. A faulty gate
    explains every such step, and by much the same shift of its pre-activation; the others cannot for long.

    Args:
        codes: (T, C) of the recording in which ``difference`` lies.
        found: what the runtime gave on it, in single steps.
    """
    layer, rules = difference.layer, RULES[arithmetic]
    cell = network(model, arithmetic).cells[layer]
    h, c = (_before(states, zero, window) for states, zero in zip(found.states[layer], cell.zero_state(1), strict=True))
    x = np.asarray(codes) if layer == 0 else found.states[layer - 1][0]
    seen: dict[str, Array] = {}
    _, expected = cell.step(h, c, x.astype(np.int64), lambda name, value: seen.update({name: value}))
    cells = found.states[layer][1]
    wrong = [tuple(at) for at in np.argwhere(expected != cells)[:_EVIDENCE]]
    tables = {"i": rules.sigmoid(), "f": rules.sigmoid(), "g": rules.tanh(-12)}

    def explanation(name: str) -> tuple[int, int]:
        """(steps it cannot explain, how far apart the shifts of the others must lie); less is likelier."""
        lowest, highest, unexplained = [], [], 0
        for at in wrong:
            f, i, g = (tables[k] if k == name else np.asarray(seen[k][at]) for k in "fig")
            made = rules.cell(f, np.asarray(c[at]), i, g, exponent)
            shifts = _EVERY_CODE[np.broadcast_to(made, _EVERY_CODE.shape) == cells[at]] - seen[f"{name}_pre"][at]
            if shifts.size:
                lowest.append(int(shifts.min()))
                highest.append(int(shifts.max()))
            else:
                unexplained += 1
        return unexplained, max(max(lowest) - min(highest), 0) if lowest else 0

    exponent = model.layers[layer].cell_exponent
    return min("ifg", key=explanation)


def _before(states: Array, zero: Array, window: int | None) -> Array:
    """(T, H) state each step began with, from the states after each step."""
    before: Array = np.concatenate([zero, states[:-1]]).astype(np.int64)
    if window is not None:
        before[::window] = zero
    return before
