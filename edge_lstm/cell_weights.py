"""The weights of layers, cell by cell: recurrent ones, and those that may stand between or around them, dense and
convolution.

Shapes: F = features of the layer's input, H = units, G = gates of the cell. Kernels are (G, H, F), recurrent weights
(G, H, H), gate by gate in the order of the cell's ``gates``. ``x`` is the layer's input and ``h`` its hidden state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.halves import OF_HALVES, Halves
from edge_lstm.values import Float32, frozen, refuse_non_finite

GATES = ("i", "f", "g", "o")
"""Order of the four gates of an LSTM in every array of this project: input, forget, candidate, output.

It is the order of Keras (which calls the third ``c``) and of TFLite."""


LSTM_PEEPHOLE = "lstm-peephole"


@dataclass(frozen=True, eq=False)
class _Weights:
    """What every layer has."""

    kernel: Float32

    cell: ClassVar[str]
    """Its name, as a project file and the headers of model files have it."""
    gates: ClassVar[tuple[str, ...]]
    """Names of the pre-activations."""
    matrices: ClassVar[int]
    """G: how many kernels and recurrent weights there are."""
    arrays: ClassVar[tuple[str, ...]] = ("kernel", "recurrent", "bias")
    """Names of the trained arrays."""
    numbers: ClassVar[tuple[str, ...]] = ()
    """Names of what else the layer is made of: numbers and choices, JSON values."""
    supposed: ClassVar[Mapping[str, Any]] = {}
    """What a number is where a file leaves it out, as files of before there was a choice do."""

    def __post_init__(self) -> None:
        for name in self.arrays:
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        what, count = self.cell.upper(), self.matrices
        if self.kernel.ndim != 3 or self.kernel.shape[0] != count or 0 in self.kernel.shape:
            raise ModelError(f"{what} kernel has shape {self.kernel.shape}; expected ({count}, units, features)")
        for name, shape in self._shapes(self.kernel.shape[1]).items():
            if getattr(self, name).shape != shape:
                raise ModelError(f"{what} {_WORDS[name]} shape {getattr(self, name).shape}; expected {shape}")
        refuse_non_finite(f"{what} layer", *(getattr(self, name) for name in self.arrays))

    def _shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Of the arrays other than the kernel."""
        return {"bias": (len(self.gates), units)}

    @property
    def columns(self) -> int:
        """Inputs that a row of the kernel is over."""
        return int(self.kernel.shape[2])

    @property
    def span(self) -> int:
        """Steps whose inputs those are."""
        return 1

    @property
    def features(self) -> int:
        return self.columns // self.span

    @property
    def units(self) -> int:
        return int(self.kernel.shape[1])

    @property
    def variant(self) -> str:
        """The cell, and the choice in it that makes it another to train, as ``[model] cell`` has it."""
        return self.cell

    @property
    def cells(self) -> int:
        """Numbers a stream carries besides the hidden state, or with it in a finer format."""
        return self.units

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(getattr(self, name).size for name in self.arrays)


_WORDS = {
    "recurrent": "recurrent weights have",
    "bias": "bias has",
    "reset_bias": "reset bias has",
    "peephole": "peephole has",
}


@dataclass(frozen=True, eq=False)
class _Recurrent(_Weights):
    """What every recurrent layer has."""

    recurrent: Float32
    bias: Float32

    def _shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent": (self.matrices, units, units), **super()._shapes(units)}


@dataclass(frozen=True, eq=False)
class LstmWeights(_Recurrent):
    """One LSTM layer (Hochreiter & Schmidhuber, 1997; forget gates by Gers et al., 2000), without peepholes::

        i, f, o = σ(W x + R h + b)      g = tanh(W x + R h + b)
        c' = f·c + i·g                  h' = o·tanh(c')

    Args:
        kernel: (4, H, F), gates i, f, g, o.
        recurrent: (4, H, H).
        bias: (4, H).

    Raises:
        ModelError: if the shapes disagree or a value is not finite.
    """

    cell, gates, matrices = "lstm", GATES, 4


@dataclass(frozen=True, eq=False)
class PeepholeLstmWeights(_Recurrent):
    """One LSTM layer with peepholes (Gers & Schmidhuber, 2000), through which its gates see the cell::

        i, f = σ(W x + R h + p·c + b)   g = tanh(W x + R h + b)     c' = f·c + i·g
        o = σ(W x + R h + p·c' + b)                                 h' = o·tanh(c')

    Args:
        kernel: (4, H, F), gates i, f, g, o.
        recurrent: (4, H, H).
        bias: (4, H).
        peephole: (3, H) p of i, f, o.

    Raises:
        ModelError: if the shapes disagree or a value is not finite.
    """

    peephole: Float32

    cell, gates, matrices = LSTM_PEEPHOLE, GATES, 4
    arrays = ("kernel", "recurrent", "bias", "peephole")

    def _shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        return {**super()._shapes(units), "peephole": (3, units)}


@dataclass(frozen=True, eq=False)
class GruWeights(_Recurrent):
    """One GRU layer (Cho et al., 2014; the reset after the product as in cuDNN, which Keras and PyTorch follow)::

        z, r = σ(W x + R h + b)                         update and reset gate
        n = tanh(W x + b + r·(R h + b_h))               reset_after: ``linear_before_reset`` of ONNX
        n = tanh(W x + b + R (r·h))                     otherwise
        h' = z·h + (1 - z)·n

    Args:
        kernel: (3, H, F), gates z, r, n.
        recurrent: (3, H, H).
        bias: (3, H).
        reset_bias: (H,) b_h, which the reset gate scales; zero unless ``reset_after``.

    Raises:
        ModelError: if the shapes disagree, a value is not finite, or there is a reset bias without reset_after.
    """

    reset_bias: Float32
    reset_after: bool = True

    cell, gates, matrices = "gru", ("z", "r", "n"), 3
    arrays, numbers = ("kernel", "recurrent", "bias", "reset_bias"), ("reset_after",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reset_after and self.reset_bias.any():
            raise ModelError("a GRU that resets before the product has no bias there; add it to the candidate's")

    def _shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        return {**super()._shapes(units), "reset_bias": (units,)}


RnnActivation = Literal["tanh", "relu"]

RNN_RELU = "rnn-relu"
"""A simple RNN that rectifies, where names are of what is computed rather than of weights."""


@dataclass(frozen=True, eq=False)
class RnnWeights(_Recurrent):
    """One layer of the simple recurrent network (Elman, 1990): ``h' = f(W x + R h + b)``.

    Args:
        kernel: (1, H, F).
        recurrent: (1, H, H).
        bias: (1, H).
        activation: f, tanh or relu; with relu (Le et al., 2015) h has no bound above.

    Raises:
        ModelError: if the shapes disagree, a value is not finite, or the activation is another.
    """

    activation: RnnActivation = "tanh"

    cell, gates, matrices = "rnn", ("n",), 1
    numbers, supposed = ("activation",), {"activation": "tanh"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in get_args(RnnActivation):
            raise ModelError(
                f"activation {self.activation!r} of an RNN is not known; choose one of "
                f"{', '.join(get_args(RnnActivation))}"
            )

    @property
    def variant(self) -> str:
        return "rnn" if self.activation == "tanh" else RNN_RELU


@dataclass(frozen=True, eq=False)
class FastGrnnWeights(_Recurrent):
    """One FastGRNN layer (Kusupati et al., 2018), whose gate and candidate share one kernel::

        p = W x + R h
        z = σ(p + b_z)      n = tanh(p + b_n)
        h' = z·h + (ζ (1 - z) + ν)·n

    Args:
        kernel: (1, H, F).
        recurrent: (1, H, H).
        bias: (2, H): b_z, b_n.
        zeta, nu: in 0..1, after the sigmoid that keeps them there in training.

    Raises:
        ModelError: if the shapes disagree, a value is not finite, or zeta or nu is outside 0..1.
    """

    zeta: float = 1.0
    nu: float = 0.0

    cell, gates, matrices = "fastgrnn", ("z", "n"), 1
    numbers = ("zeta", "nu")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.numbers:
            object.__setattr__(self, name, float(np.float32(getattr(self, name))))
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"FASTGRNN {name} is {getattr(self, name)}; expected a number in 0..1")

    @property
    def parameters(self) -> int:
        return super().parameters + len(self.numbers)


Activation = Literal["linear", "relu", "tanh", "sigmoid"]


@dataclass(frozen=True, eq=False)
class DenseLayerWeights(_Weights):
    """One dense layer before, between or behind recurrent ones, applied at every step: ``h' = f(W x + b)``.

    The head of a model, whose outputs are logits or targets, is ``edge_lstm.model.DenseWeights``.

    Args:
        kernel: (1, H, F).
        bias: (1, H).
        activation: f.

    Raises:
        ModelError: if the shapes disagree, a value is not finite, or the activation is not one of ``Activation``.
    """

    bias: Float32
    activation: Activation = "linear"

    cell, gates, matrices, arrays = "dense", ("n",), 1, ("kernel", "bias")
    numbers: ClassVar[tuple[str, ...]] = ("activation",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in get_args(Activation):
            raise ModelError(
                f"activation {self.activation!r} is not known; choose one of {', '.join(get_args(Activation))}"
            )


@dataclass(frozen=True, eq=False)
class ConvWeights(DenseLayerWeights):
    """One causal convolution over time, of stride 1: a dense layer over the last ``taps`` steps of its input::

        h' = f(W [x(t - taps + 1) … x(t)] + b)

    Before the first step x is zero. What it carries is the inputs of the last ``taps - 1`` steps, the oldest first.

    Args:
        kernel: (1, H, taps·F), the oldest step first.
        bias: (1, H).
        activation: f.
        taps: steps that the kernel spans, 2 or more.

    Raises:
        ModelError: if the shapes disagree, a value is not finite, or activation or taps are none that there are.
    """

    taps: int = 2

    cell, numbers = "conv", ("activation", "taps")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.taps, int) or self.taps < 2 or self.columns % self.taps:
            raise ModelError(
                f"CONV kernel has {self.columns} columns for {self.taps} taps; expected 2 or more of as many columns"
            )

    @property
    def span(self) -> int:
        return self.taps

    @property
    def cells(self) -> int:
        return self.columns - self.features


RecurrentWeights = LstmWeights | PeepholeLstmWeights | GruWeights | RnnWeights | FastGrnnWeights


@dataclass(frozen=True, eq=False)
class BidirectionalWeights(Halves):
    """A layer that looks ahead: two of LSTM, GRU or simple RNN (tanh), whose hidden states stay within ±1.

    Args:
        forward, backward: of one cell and one shape.

    Raises:
        ModelError: if the halves do not fit together, or are of another cell.
    """

    forward: RecurrentWeights
    backward: RecurrentWeights

    alike = ("cell", "units", "features")

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(half.variant not in OF_HALVES.values() for half in (self.forward, self.backward)):
            raise ModelError(
                f"the halves of a BIDIRECTIONAL are {self.forward.variant} and {self.backward.variant}; expected two "
                "of lstm, gru or rnn (tanh), whose states stay within ±1"
            )

    @property
    def variant(self) -> str:
        """The cell that training takes it for."""
        return f"bi{self.forward.variant}"

    @property
    def cells(self) -> int:
        own = self.forward.cells if isinstance(self.forward, LstmWeights) else 0
        return own + self.look_ahead * (self.features + self.forward.units)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return self.forward.parameters + self.backward.parameters


CellWeights = RecurrentWeights | DenseLayerWeights | BidirectionalWeights
ArrayWeights = RecurrentWeights | DenseLayerWeights
"""Those that are arrays of their own."""

CELLS: dict[str, type[ArrayWeights]] = {
    weights.cell: weights
    for weights in (
        LstmWeights,
        PeepholeLstmWeights,
        GruWeights,
        RnnWeights,
        FastGrnnWeights,
        DenseLayerWeights,
        ConvWeights,
    )
}
"""Every kind of layer that is arrays of its own, by its name."""
