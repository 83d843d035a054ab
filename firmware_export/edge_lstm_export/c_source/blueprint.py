"""What the constants of integer and float models have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from edge_lstm.model import BidirectionalWeights, Float64, Interface
from edge_lstm_export.c_source.literals import require_within

MOST_UNITS = 8191
"""The kernels count rows and taps, eight a unit, in uint16."""


class Layer(Protocol):
    """What every layer says of itself."""

    @property
    def cell(self) -> str: ...

    @property
    def units(self) -> int: ...

    @property
    def cells(self) -> int:
        """Numbers it carries besides its hidden state."""
        ...


def require_counts(interface: Interface, layers: Sequence[Layer]) -> None:
    """Refuse a network larger than the kernels count.

    Raises:
        ExportError: naming the count.
    """
    require_within("number of units, over all layers,", [units_of(layers)], 1, MOST_UNITS)
    require_within("number of cells, over all layers,", [cells_of(layers)], 1, 65535)
    require_within("number of channels", [len(interface.channels)], 1, MOST_UNITS)
    require_within("number of outputs", [len(interface.task.outputs)], 1, MOST_UNITS)


def cells_line(layers: Sequence[Layer]) -> str:
    """Such as ``LSTM 32 + GRU 16``."""
    return " + ".join(f"{layer.cell.upper()} {layer.units}" for layer in layers)


def units_of(layers: Iterable[Layer]) -> int:
    return sum(layer.units for layer in layers)


def cells_of(layers: Iterable[Layer]) -> int:
    """At least one, because C knows no array of none."""
    return max(sum(layer.cells for layer in layers), 1)


def kept_bytes(layers: Sequence[Layer]) -> int:
    """Of an integer model between steps: an int32 a cell and an int16 code a unit."""
    return 4 * cells_of(layers) + 2 * units_of(layers)


def state_bytes(kept: int, work_words: int) -> int:
    """``sizeof`` the state of one stream of an integer model.

    Args:
        kept: bytes that hold something between steps.
        work_words: of the kernels' scratch, in 4 bytes each.
    """
    return -(-kept // 4) * 4 + 4 * work_words


def float_state_bytes(layers: Sequence[Layer]) -> int:
    """``sizeof`` the state of one stream of a float model: cell and hidden state, and scratch."""
    return 4 * (cells_of(layers) + units_of(layers) + float_scratch(layers))


def float_scratch(layers: Sequence[Layer]) -> int:
    """Numbers: a new hidden state, and of a layer that looks ahead also two of a half and a copy of one."""
    return max(layer.units * (2 if isinstance(layer, BidirectionalWeights) else 1) for layer in layers)


def physical_gains(interface: Interface, step: float = 1.0) -> tuple[Float64, Float64]:
    """(O,) gain and (O,) offset from network outputs in units of ``step`` to physical targets, or to logits."""
    target = interface.target_scaling
    return step * target.scale, target.offset


def table(kind: str, name: str, rows: list[str]) -> str:
    """A private array of structs, one a line."""
    return f"static const {kind} {name}[{len(rows)}] = {{\n" + "".join(f"    {row},\n" for row in rows) + "};\n"
