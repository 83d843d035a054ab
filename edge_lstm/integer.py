"""The integer model: what a device computes, with no floating point between input and output codes.

Two families of integers exist, because the two families of runtimes demand it:

- ``native``: per-row scales, one requantisation a gate (``edge_lstm.arithmetic.native``). Scheme ``w8a16`` has
  int8 weights and int16 activations in one accumulator a row, ``w8a8`` has int8 activations and two accumulators.
- ``tflite``: the integers of a fused int8 UNIDIRECTIONAL_SEQUENCE_LSTM. tflite-runtime and LiteRT compute one
  arithmetic on them, ``tflite``; TensorFlow Lite Micro computes another, ``tflm``.

Shapes: F = features, H = units, N = columns of a block, R = rows, O = outputs. Integers are exact everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ModelError
from edge_lstm.halves import Halves
from edge_lstm.model import GATES, LSTM_PEEPHOLE, RNN_RELU, Activation, Float32, Float64, Interface, frozen

Int8 = NDArray[np.int8]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

Arithmetic = Literal["native", "tflite", "tflm", "float"]
Scheme = Literal["w8a16", "w8a8"]
CArithmetic = Literal["native", "tflm"]
"""What integer C can be written in."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """Physical sample → input codes, in float32, the same on every host and device.

    ``code = clamp(floor((x - offset) * gain + 1/2) + zero, low, high)``, each operation rounded to float32.

    Args:
        offset: (C,) float32, physical unit.
        gain: (C,) float32, codes per physical unit.
        zero: zero point.
        low, high: (C,) int32 limits of the code.
    """

    offset: Float32
    gain: Float32
    zero: int
    low: Int32
    high: Int32

    def __post_init__(self) -> None:
        for name, dtype in (("offset", np.float32), ("gain", np.float32), ("low", np.int32), ("high", np.int32)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))

    def encode(self, physical: Any) -> Int32:
        """(..., C) physical samples → (..., C) codes. NaN is the caller's to refuse."""
        scaled = (np.asarray(physical, np.float32) - self.offset) * self.gain
        code = np.floor(scaled + np.float32(0.5))
        # Clamp in float first: a huge sample must not wrap when it becomes an integer.
        # np.minimum and np.maximum take half the time of np.clip on the few numbers of one sample.
        code = np.minimum(np.maximum(code, np.float32(-(2.0**24))), np.float32(2.0**24)).astype(np.int32)
        return np.asarray(np.minimum(np.maximum(code + np.int32(self.zero), self.low), self.high), np.int32)


@dataclass(frozen=True)
class Decoding:
    """Output codes → network output: ``y = (code - zero) * scale``, in float64."""

    scale: float
    zero: int = 0

    def decode(self, codes: Any) -> Float64:
        """(..., O) codes → (..., O) logits or scaled targets."""
        return (np.asarray(codes, np.float64) - self.zero) * self.scale


@dataclass(frozen=True, eq=False)
class Affine:
    """A block of rows of the native arithmetic: ``(multiplier * (weights @ v + bias)) >> shift``.

    The rounding half is in the bias, so the shift is a plain arithmetic one.

    Args:
        weights: (R, N) int8 in -127..127.
        bias: (R,) int32.
        multiplier: (R,) int32 in 128..255.
        shift: (R,) int32 in 9..26, in 1..26 for the layers of w8a8.
    """

    weights: Int8
    bias: Int32
    multiplier: Int32
    shift: Int32

    def __post_init__(self) -> None:
        for name, dtype in (("weights", np.int8), ("bias", np.int32), ("multiplier", np.int32), ("shift", np.int32)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        rows = self.weights.shape[0]
        if any(a.shape != (rows,) for a in (self.bias, self.multiplier, self.shift)):
            raise ModelError("an affine block needs one bias, multiplier and shift a row")


@dataclass(frozen=True, eq=False)
class NativeLstm:
    """One LSTM layer of the native arithmetic. Rows run gate by gate: i, f, g, o, H rows each.

    Args:
        blocks: w8a16: one block (4H, F + H) over the codes of x and h side by side.
            w8a8: two blocks, (4H, F) over x and (4H, H) over h.
        features: F.
        hidden_bits: the hidden state is Q0.hidden_bits: 1.0 is ``2**hidden_bits``. 8..12 for w8a16, 7..12 for
            w8a8, which saturates it to int8.
    """

    blocks: tuple[Affine, ...]
    features: int
    hidden_bits: int

    cell: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = GATES

    def __post_init__(self) -> None:
        widths = [block.weights.shape[1] for block in self.blocks]
        expected = [self.features + self.units] if len(widths) == 1 else [self.features, self.units]
        if widths != expected or any(block.weights.shape[0] != 4 * self.units for block in self.blocks):
            raise ModelError(f"native LSTM blocks are {widths} columns wide; expected {expected}")

    @property
    def units(self) -> int:
        return int(self.blocks[0].weights.shape[0]) // 4

    @property
    def cells(self) -> int:
        """Numbers of the cell state."""
        return self.units

    @property
    def scheme(self) -> Scheme:
        return "w8a16" if len(self.blocks) == 1 else "w8a8"

    @property
    def hidden_limit(self) -> int:
        """Largest magnitude of a hidden code."""
        return 128 if self.scheme == "w8a8" else 1 << self.hidden_bits


@dataclass(frozen=True, eq=False)
class NativeCell:
    """What layers of the native arithmetic other than the LSTM's share: rows over x and rows over h, each saturated.

    Args:
        blocks: (G·H, F) over the codes of x, (G·H, H) over those of h, gate by gate; see each cell for more.
        scheme: w8a16, or w8a8, which saturates the hidden state to int8.
        row_bits: rows give Q(15 - row_bits).row_bits; pre-activations are Q3.12, so row_bits is 4..12.
        hidden_bits: the hidden state is Q.hidden_bits: 1.0 is ``2**hidden_bits``, 0..12.

    Raises:
        ModelError: if the blocks do not fit together or a format is out of range.
    """

    blocks: tuple[Affine, ...]
    scheme: Scheme
    row_bits: int
    hidden_bits: int

    cell: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    rows: ClassVar[tuple[tuple[int, str], ...]]
    """Rows a unit of each block, and what it is over: ``x``, ``h`` or ``r·h``."""
    numbers: ClassVar[tuple[str, ...]] = ("scheme", "row_bits", "hidden_bits")
    """Names of the JSON values a layer is made of."""
    arrays: ClassVar[tuple[str, ...]] = ()
    """Names of its arrays of int16 beside the blocks."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        for name in self.arrays:
            object.__setattr__(self, name, frozen(getattr(self, name), np.int16))
        shapes = [block.weights.shape for block in self.blocks]
        expected = [(n * self.units, self.columns if over == "x" else self.units) for n, over in self.rows]
        if shapes != expected:
            raise ModelError(f"native {self.cell} blocks have shapes {shapes}; expected {expected}")
        if self.row_bits not in range(4, 13) or self.hidden_bits not in range(13):
            raise ModelError(
                f"native {self.cell} rows have {self.row_bits} and hidden states {self.hidden_bits} fraction bits; "
                "expected 4..12 and 0..12"
            )

    @property
    def columns(self) -> int:
        """Codes of x that a row is over."""
        return int(self.blocks[0].weights.shape[1])

    @property
    def span(self) -> int:
        """Steps whose codes those are."""
        return 1

    @property
    def features(self) -> int:
        return self.columns // self.span

    @property
    def units(self) -> int:
        return int(self.blocks[0].weights.shape[0]) // self.rows[0][0]

    @property
    def cells(self) -> int:
        """Numbers of c: the hidden state in full precision."""
        return self.units

    @property
    def reach(self) -> int:
        """The hidden state stays within ±2**reach."""
        return 0

    @property
    def hidden_limit(self) -> int:
        """Largest magnitude of a hidden code."""
        return 128 if self.scheme == "w8a8" else 1 << (self.hidden_bits + self.reach)


@dataclass(frozen=True, eq=False)
class NativeGru(NativeCell):
    """A GRU layer that resets after the product: blocks (3H, F) and (3H, H), gates z, r, n."""

    cell, gates, rows = "gru", ("z", "r", "n"), ((3, "x"), (3, "h"))


@dataclass(frozen=True, eq=False)
class NativeGruBefore(NativeCell):
    """A GRU layer that resets before the product: blocks (3H, F), (2H, H) of z and r, and (H, H) of n over r·h."""

    cell, gates, rows = "gru-before", ("z", "r", "n"), ((3, "x"), (2, "h"), (1, "r·h"))


@dataclass(frozen=True, eq=False)
class NativePeepholeLstm(NativeCell):
    """A layer of the LSTM with peepholes: blocks (4H, F) and (4H, H), gates i, f, g, o.

    Args:
        peephole: (3, H) int16 of i, f, o in -32767..32767, Q.peephole_bits.
        peephole_bits: 6..20.
    """

    peephole: Int16
    peephole_bits: int

    cell, gates, rows = LSTM_PEEPHOLE, GATES, ((4, "x"), (4, "h"))
    numbers, arrays = (*NativeCell.numbers, "peephole_bits"), ("peephole",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.peephole.shape != (3, self.units) or (self.peephole == -32768).any():
            raise ModelError(
                f"native {self.cell} peepholes have shape {self.peephole.shape}; expected (3, {self.units}) of "
                "-32767..32767"
            )
        if self.peephole_bits not in range(6, 21):
            raise ModelError(f"native {self.cell} peepholes have {self.peephole_bits} fraction bits; expected 6..20")


@dataclass(frozen=True, eq=False)
class NativeRnn(NativeCell):
    """A layer of the simple recurrent network: blocks (H, F) and (H, H)."""

    cell, gates, rows = "rnn", ("n",), ((1, "x"), (1, "h"))


@dataclass(frozen=True, eq=False)
class NativeRnnRelu(NativeCell):
    """The same, rectified: the sum of the rows is itself the hidden state.

    Args:
        reach_bits: the hidden state saturates at 2**reach_bits, 0..7.
    """

    reach_bits: int

    cell, gates, rows = RNN_RELU, ("n",), ((1, "x"), (1, "h"))
    numbers = (*NativeCell.numbers, "reach_bits")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_widened(self)

    @property
    def reach(self) -> int:
        return self.reach_bits


@dataclass(frozen=True, eq=False)
class NativeFastGrnn(NativeCell):
    """A FastGRNN layer: blocks (H, F), whose bias is that of z, and (H, H).

    Args:
        candidate: (H,) int16 bias of n beyond that of z, Q(15 - row_bits).row_bits.
        zeta, nu: Q0.15, 0..32767.
        reach_bits: the hidden state saturates at ±2**reach_bits, 0..4.
    """

    candidate: Int16
    zeta: int
    nu: int
    reach_bits: int

    cell, gates, rows = "fastgrnn", ("z", "n"), ((1, "x"), (1, "h"))
    numbers, arrays = (*NativeCell.numbers, "zeta", "nu", "reach_bits"), ("candidate",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidate.shape != (self.units,):
            raise ModelError(f"FastGRNN has {self.candidate.shape} candidate biases; expected ({self.units},)")
        if not (0 <= self.zeta <= 32767 and 0 <= self.nu <= 32767 and 0 <= self.reach_bits <= 4):
            raise ModelError("FastGRNN needs zeta and nu in 0..32767, and reach_bits in 0..4")

    @property
    def reach(self) -> int:
        return self.reach_bits


@dataclass(frozen=True, eq=False)
class NativeDense(NativeCell):
    """A dense layer: block (H, F). Rows of relu and linear are themselves the hidden state; others go through σ.

    Args:
        reach_bits: the hidden state saturates at ±2**reach_bits, 0..7; 0 for tanh and sigmoid.
    """

    activation: Activation
    reach_bits: int

    cell, gates, rows = "dense", ("n",), ((1, "x"),)
    numbers = (*NativeCell.numbers, "activation", "reach_bits")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_widened(self)

    @property
    def cells(self) -> int:
        """None: it remembers nothing."""
        return 0

    @property
    def reach(self) -> int:
        return self.reach_bits


@dataclass(frozen=True, eq=False)
class NativeConv(NativeDense):
    """A causal convolution: block (H, taps·F) over the codes of the last ``taps`` steps, the oldest first.

    Args:
        taps: 2 or more.
    """

    taps: int

    cell = "conv"
    numbers = (*NativeDense.numbers, "taps")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taps < 2 or self.columns % self.taps:
            raise ModelError(f"native conv rows have {self.columns} columns; expected 2 or more taps of as many")

    @property
    def span(self) -> int:
        return self.taps

    @property
    def kept(self) -> int:
        """Codes that it carries: of the steps before."""
        return self.columns - self.features

    @property
    def cells(self) -> int:
        """Numbers of c: two int16 codes in each, the first in its lower half, and nought where one is left over."""
        return -(-self.kept // 2)


def _require_widened(layer: NativeRnnRelu | NativeDense) -> None:
    """Raise ModelError unless rows that are themselves the hidden state fit its Q8.23."""
    if layer.row_bits < 8 or not 0 <= layer.reach_bits <= 7:
        raise ModelError(
            f"native {layer.cell} rows have {layer.row_bits} fraction bits and reach ±2**{layer.reach_bits}; "
            "expected 8..12 and 0..7"
        )


NativeRemembering = NativeGru | NativeGruBefore | NativePeepholeLstm | NativeRnn | NativeRnnRelu | NativeFastGrnn
NativeGated = NativeRemembering | NativeDense | NativeConv
NativeCellLayer = NativeLstm | NativeGated


@dataclass(frozen=True, eq=False)
class NativeBidirectional(Halves):
    """A layer that looks ahead; its halves have one format of the hidden state."""

    forward: NativeCellLayer
    backward: NativeCellLayer

    alike = ("cell", "features", "units", "hidden_bits", "scheme")

    @property
    def hidden_bits(self) -> int:
        return self.forward.hidden_bits

    @property
    def hidden_limit(self) -> int:
        """Largest magnitude of a hidden code."""
        return self.forward.hidden_limit

    @property
    def scheme(self) -> Scheme:
        return self.forward.scheme

    @property
    def cells(self) -> int:
        """Numbers of c: that of the forward half; then x, and then h of it, of the last N steps, two codes in each."""
        return self.forward.cells + sum(-(-self.look_ahead * n // 2) for n in (self.features, self.forward.units))


NativeLayer = NativeCellLayer | NativeBidirectional

NATIVE_CELLS: dict[str, type[NativeGated]] = {
    c.cell: c
    for c in (
        NativeGru,
        NativeGruBefore,
        NativePeepholeLstm,
        NativeRnn,
        NativeRnnRelu,
        NativeFastGrnn,
        NativeDense,
        NativeConv,
    )
}
"""Every cell of the native arithmetic other than the LSTM without peepholes, by its name."""


@dataclass(frozen=True)
class Quant:
    """Affine quantisation of a whole tensor: ``real = scale * (code - zero)``; scale is a float32 value."""

    scale: float
    zero: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(np.float32(self.scale)))


@dataclass(frozen=True, eq=False)
class TfliteLstm:
    """The integers of a fused int8 LSTM op (facts of the op: TFLite ``unidirectional_sequence_lstm``).

    Args:
        kernel: (4, H, F) int8, symmetric, one scale a gate.
        recurrent: (4, H, H) int8.
        bias: (4, H) int32, scale ``input.scale * kernel_scale``.
        kernel_scale, recurrent_scale: (4,) float32.
        input: quantisation of the layer's input.
        hidden: quantisation of the hidden state, which is the output.
        cell_exponent: the int16 cell state has scale ``2**cell_exponent``, -15..-9.
    """

    kernel: Int8
    recurrent: Int8
    bias: Int32
    kernel_scale: Float32
    recurrent_scale: Float32
    input: Quant
    hidden: Quant
    cell_exponent: int

    cell: ClassVar[str] = "lstm"

    def __post_init__(self) -> None:
        for name, dtype in (
            ("kernel", np.int8),
            ("recurrent", np.int8),
            ("bias", np.int32),
            ("kernel_scale", np.float32),
            ("recurrent_scale", np.float32),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))

    @property
    def features(self) -> int:
        return int(self.kernel.shape[2])

    @property
    def units(self) -> int:
        return int(self.kernel.shape[1])

    @property
    def cells(self) -> int:
        """Numbers of the cell state."""
        return self.units


@dataclass(frozen=True, eq=False)
class TfliteDense:
    """The integers of an int8 FULLY_CONNECTED op.

    Args:
        weights: (O, H) int8, one scale.
        bias: (O,) int32, scale ``input.scale * weight_scale``.
    """

    weights: Int8
    bias: Int32
    weight_scale: float
    input: Quant
    output: Quant

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int8))
        object.__setattr__(self, "bias", frozen(self.bias, np.int32))
        object.__setattr__(self, "weight_scale", float(np.float32(self.weight_scale)))


@dataclass(frozen=True, eq=False)
class NativeModel:
    """An integer model of the native arithmetic. ``head`` gives int16 output codes, saturated."""

    layers: tuple[NativeLayer, ...]
    head: Affine
    encoding: Encoding
    decoding: Decoding
    interface: Interface
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def scheme(self) -> Scheme:
        return self.layers[0].scheme


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """An integer model of the fused TFLite op; ``head`` gives int8 output codes."""

    layers: tuple[TfliteLstm, ...]
    head: TfliteDense
    encoding: Encoding
    decoding: Decoding
    interface: Interface
    report: dict[str, Any] = field(default_factory=dict)


IntegerModel = NativeModel | TfliteModel
