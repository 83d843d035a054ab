"""What a model would take on a board, from its shape alone, before anything is trained.

Constants, state and scratch are those of the packing functions, given a model of that shape. What compilers make of
kernels and what cores need to run them was measured on a grid of models (``bench/fit_table.py``) and is kept as sums
of terms in ``fit_table.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, cast, get_args

import numpy as np

from edge_lstm.board import Board, Core
from edge_lstm.bundle import Bundle
from edge_lstm.errors import MissingDependencyError, ProjectError
from edge_lstm.halves import MOST_LOOK_AHEAD, steps_late, widths
from edge_lstm.integer import Affine, NativeLstm, NativeModel, Scheme
from edge_lstm.model import Interface
from edge_lstm.training.spec import MOST_TAPS
from edge_lstm_export.board_verify import arithmetic_of
from edge_lstm_export.c_source.blueprint import MOST_UNITS, state_bytes
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.footprint import FLASH_PARTS, RAM_PARTS, Footprint, OnBoard

TABLE = "fit_table.json"

Terms = Mapping[str, float]
"""Name of a term → its factor."""


@dataclass(frozen=True)
class Shape:
    """A model before training.

    Args:
        features: channels of a sample.
        units: of each layer; each way of a bidirectional one.
        labels: it predicts a name; otherwise it gives values.
        text_bytes: of the names of the outputs, each with its end.
        channel_bytes: of the names of the channels, which some linkers keep beside those of the outputs.
        cells: of each layer; empty where all are LSTMs.
        taps: steps that each convolution spans.
        look_ahead: steps that each bidirectional layer looks ahead.
    """

    features: int
    units: tuple[int, ...]
    outputs: int
    labels: bool
    text_bytes: int
    scheme: Scheme = "w8a16"
    channel_bytes: int = 0
    cells: tuple[str, ...] = ()
    taps: int = 3
    look_ahead: int = 8

    @property
    def in_table(self) -> bool:
        """Whether what its kernels take is in the table; ``edge_lstm_export.fit_measured`` tells it of others."""
        return set(self.cells) <= {NativeLstm.cell}

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(features, units) of each."""
        return list(zip((self.features, *self.widths[:-1]), self.units, strict=True))

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of each layer."""
        return widths(self.cells, self.units) if self.cells else self.units

    @property
    def late(self) -> int:
        """Steps by which what it says is late."""
        return steps_late(self.cells, self.look_ahead)

    def widened(self, units: int) -> Shape:
        """The same with so many units in every layer."""
        return replace(self, units=(units,) * len(self.units))


def shape_of(interface: Interface, units: tuple[int, ...], scheme: Scheme) -> Shape:
    """Of a model with that interface."""
    task = interface.task
    text, channels = (sum(len(n.encode()) + 1 for n in names) for names in (task.outputs, interface.channels))
    return Shape(len(interface.channels), units, len(task.outputs), task.predicts_labels, text, scheme, channels)


def scheme_named(name: str) -> Scheme:
    """The scheme of that name.

    Raises:
        ProjectError: if there is none.
    """
    for scheme in get_args(Scheme):
        if scheme == name:
            return scheme  # type: ignore[no-any-return]
    raise ProjectError(f"scheme {name!r} is not known; choose one of {', '.join(get_args(Scheme))}")


@dataclass(frozen=True)
class Fit:
    """A shape on a board.

    Args:
        on_board: what it takes.
        largest_that_fits: most units a layer that memory has room for; None under an operating system.
        largest_in_time: most units a layer whose step ends before the next sample comes; None if not known.
    """

    on_board: OnBoard
    largest_that_fits: int | None
    largest_in_time: int | None

    def to_json(self) -> dict[str, Any]:
        more = {"largest_that_fits": self.largest_that_fits, "largest_in_time": self.largest_in_time}
        return self.on_board.to_json() | {key: value for key, value in more.items() if value is not None}


def fit(shape: Shape, board: Board, rate_hz: float | None = None) -> Fit:
    """What a shape would take on a board.

    Args:
        rate_hz: samples a second.

    Raises:
        ProjectError: if a number of the shape is not one that a model can have.
        MissingDependencyError: if nothing was measured on the board's core.
    """
    require_shape(shape)

    def at(units: int) -> OnBoard:
        wide = shape.widened(units)
        return OnBoard(board, wide.units, footprint(wide, board.core), rate_hz)

    most = MOST_UNITS // len(shape.units)
    asked = OnBoard(board, shape.units, footprint(shape, board.core), rate_hz)
    fitting = _largest(lambda units: at(units).fits, most) if board.flash else None
    in_time = None if asked.keeps_up is None else _largest(lambda units: bool(at(units).keeps_up), most)
    return Fit(asked, fitting, in_time)


def largest_of(bundle: Bundle, board: Board) -> int | None:
    """Most units a layer that the board has room for, of models like that of a bundle; None if that is not known."""
    if arithmetic_of(bundle) != "native" or board.core.name not in _table():
        return None
    model = cast(NativeModel, bundle.model("native"))
    if not all(isinstance(layer, NativeLstm) for layer in model.layers):
        return None
    return fit(shape_of(model.interface, tuple(x.units for x in model.layers), model.scheme), board).largest_that_fits


def require_shape(shape: Shape) -> None:
    """Raise ProjectError unless a network of that shape can be written in C."""
    counts = {"features": shape.features, "units": min(shape.units, default=0), "outputs": shape.outputs}
    for name, count in counts.items():
        if count < 1:
            raise ProjectError(f"{name} is {count}; give at least 1")
    if not 2 <= shape.taps <= MOST_TAPS:
        raise ProjectError(f"taps is {shape.taps}; give 2 to {MOST_TAPS}")
    if not 1 <= shape.look_ahead <= MOST_LOOK_AHEAD:
        raise ProjectError(f"look_ahead is {shape.look_ahead}; give 1 to {MOST_LOOK_AHEAD}")
    if sum(shape.widths) > MOST_UNITS or max(shape.features, shape.outputs) > MOST_UNITS:
        raise ProjectError(f"a network of at most {MOST_UNITS:,} features, units and outputs can be written in C")


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number up to ``most`` for which something holds, if it holds for all smaller ones; or 0."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def footprint(shape: Shape, core: Core) -> Footprint:
    """What a shape takes of a core's memory and time.

    Raises:
        MissingDependencyError: if nothing was measured on the core.
    """
    measured = _measured(core, shape.scheme)
    packed = [_packed(core.kernels, shape.scheme, features, units) for features, units in shape.layers]
    head = _packed_head(core.kernels, shape.units[-1], shape.outputs)
    exact = {
        "weights and rows": sum(size for size, _ in packed) + head,
        "codec": 12 * shape.features + (0 if shape.labels else 8 * shape.outputs),
        "names": shape.text_bytes if shape.labels else 0,
    }
    whole = model_terms(shape)

    def estimate(name: str) -> float:
        rest = sum(factor * whole[each] for each, factor in measured.get(name, {}).items())
        layers = sum(total(measured.get(f"{name} of a layer", {}), *layer) for layer in shape.layers)
        return rest + layers + total(measured.get(f"{name} of the head", {}), shape.units[-1], shape.outputs)

    ram = {
        "state": 6 * sum(shape.units),
        "scratch": state_bytes(6 * sum(shape.units), max(words for _, words in packed)) - 6 * sum(shape.units),
        "sample": 6 * shape.features + 2 * shape.outputs,
        "other": round(estimate("other")) + (exact["names"] if core.constants == "ram" else 0),
    }
    return Footprint(
        {part: exact.get(part, 0) + round(estimate(part)) for part in FLASH_PARTS},
        {part: ram[part] for part in RAM_PARTS},
        round(estimate("stack")),
        round(estimate("count")),
        str(_table()[core.name]["unit"]),
    )


def total(factors: Terms, inputs: int, rows: int) -> float:
    """The terms of a layer or a head, summed."""
    return sum(factor * term(name, inputs, rows) for name, factor in factors.items())


def model_terms(shape: Shape) -> dict[str, float]:
    """What may be said of a whole model."""
    return {
        "1": 1,
        "layers": len(shape.units),
        "labels": float(shape.labels),
        "names": shape.outputs if shape.labels else 0,
        "text of channels": shape.channel_bytes if shape.labels else 0,
    }


_TERM = re.compile(r"(?:rows/(\d+)\*)?(?:1|(inputs|rows|both)(\d*)/(\d+)(\+?)(?:([<>])(\d+):(\d+))?)")


def term(name: str, inputs: int, rows: int) -> int:
    """What a kernel does so often: for a layer of so many features and units, or a head of so many units and outputs.

    ``inputs/4`` counts whole groups of four inputs and ``inputs/4+`` groups begun; ``inputs2`` are padded to twos
    before, and ``both2`` are inputs and rows together, each padded. ``both2/8<13:4`` is the code of a loop that is
    unrolled up to 13 groups, and beyond has what four do not divide and then passes of four; ``both2/8>13:4`` are its
    passes. ``rows/2*`` before it all happens once for every two rows begun.
    """
    parsed = _TERM.fullmatch(name)
    if parsed is None:
        raise ValueError(f"{name!r} is not a term")
    block, width, padding, step, begun, loop, most, passes = parsed.groups()
    count = 1
    if width:
        widths = {"inputs": (inputs,), "rows": (rows,), "both": (inputs, rows)}[width]
        wide = sum(-(-each // int(padding or 1)) * int(padding or 1) for each in widths)
        count = -(-wide // int(step)) if begun else wide // int(step)
    if loop == "<" and count > int(most):
        count = count % int(passes) + int(passes)
    elif loop == ">":
        count = count // int(passes) if count > int(most) else 0
    return count * (-(-rows // int(block)) if block else 1)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((files("edge_lstm_export") / TABLE).read_text(encoding="utf-8"))
    return table


def _measured(core: Core, scheme: Scheme) -> Mapping[str, Terms]:
    if core.name not in _table():
        raise MissingDependencyError(f"{core.title}: nothing is known of it before training: no emulator runs it here")
    terms: Mapping[str, Terms] = _table()[core.name][scheme]
    return terms


PERIOD = 16
SMALL = 3 * PERIOD
"""Up to here a layer is packed to see what it takes. Beyond, polynomials through smaller ones say the same, because
paddings repeat every ``PERIOD``: linear in features, quadratic in units."""


def _packed(kernels: str, scheme: Scheme, features: int, units: int) -> tuple[int, int]:
    """(bytes of constants, words of scratch) of a layer."""
    sizes = np.zeros(2)
    for f, by_f in _through(features, 2):
        for h, by_h in _through(units, 3):
            sizes += by_f * by_h * np.array(_pack(kernels, scheme, f, h))
    constants, words = sizes.round().astype(int).tolist()
    return constants, words


def _packed_head(kernels: str, units: int, outputs: int) -> int:
    sizes = (
        by_u * by_o * _pack_head(kernels, u, o) for u, by_u in _through(units, 2) for o, by_o in _through(outputs, 2)
    )
    return round(sum(sizes))


def _through(width: int, points: int) -> Iterator[tuple[int, float]]:
    """(smaller width, its weight) of the polynomial through so many of them (Lagrange)."""
    if width <= SMALL:
        yield width, 1.0
        return
    known = [PERIOD * (k + 1) + width % PERIOD for k in range(points)]
    for at in known:
        others = [other for other in known if other != at]
        yield at, float(np.prod([(width - other) / (at - other) for other in others]))


@cache
def _pack(kernels: str, scheme: Scheme, features: int, units: int) -> tuple[int, int]:
    widths = (features + units,) if scheme == "w8a16" else (features, units)
    layer = NativeLstm(tuple(_zeros(4 * units, width) for width in widths), features, 8)
    chosen = kernel_set(kernels)
    return chosen.layer(layer, "layer").bytes, chosen.work_words(layer)


@cache
def _pack_head(kernels: str, units: int, outputs: int) -> int:
    return kernel_set(kernels).head(_zeros(outputs, units), "head").bytes


def _zeros(rows: int, columns: int) -> Affine:
    """Of a multiplier and a shift that every kernel takes."""
    zeros = np.zeros(rows, np.int32)
    return Affine(np.zeros((rows, columns), np.int8), zeros, zeros + 128, zeros + 12)
