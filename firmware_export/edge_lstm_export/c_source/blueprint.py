"""What the constants of integer and float models have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge_lstm.model import Float64, Interface
from edge_lstm_export.c_source.literals import require_within

MOST_UNITS = 8191
"""The kernels count rows and taps, eight a unit, in uint16."""


def require_counts(interface: Interface, units: Sequence[int]) -> None:
    """Refuse a network larger than the kernels count.

    Raises:
        ExportError: naming the count.
    """
    require_within("number of units, over all layers,", [sum(units)], 1, MOST_UNITS)
    require_within("number of channels", [len(interface.channels)], 1, MOST_UNITS)
    require_within("number of outputs", [len(interface.task.outputs)], 1, MOST_UNITS)


class Layer(Protocol):
    """What every layer says of itself."""

    @property
    def cell(self) -> str: ...

    @property
    def units(self) -> int: ...


def cells_line(layers: Sequence[Layer]) -> str:
    """Such as ``LSTM 32 + GRU 16``."""
    return " + ".join(f"{layer.cell.upper()} {layer.units}" for layer in layers)


def state_bytes(units: Sequence[int], work_words: int) -> int:
    """``sizeof`` the state of one stream of an integer model: an int32 cell and an int16 code a unit, and scratch.

    Args:
        units: of each layer.
        work_words: of the kernels' scratch, in 4 bytes each.
    """
    return -(-6 * sum(units) // 4) * 4 + 4 * work_words


def float_state_bytes(units: Sequence[int]) -> int:
    """``sizeof`` the state of one stream of a float model: cell and hidden state, and scratch for the widest layer."""
    return 4 * (2 * sum(units) + max(units))


def physical_gains(interface: Interface, step: float = 1.0) -> tuple[Float64, Float64]:
    """(O,) gain and (O,) offset from network outputs in units of ``step`` to physical targets, or to logits."""
    target = interface.target_scaling
    return step * target.scale, target.offset


def table(kind: str, name: str, rows: list[str]) -> str:
    """A private array of structs, one a line."""
    return f"static const {kind} {name}[{len(rows)}] = {{\n" + "".join(f"    {row},\n" for row in rows) + "};\n"
