"""The integers of the explicit-state step model: int8 tensors and int8 operators only, the state in the caller's hands.

Every tensor has a quantisation of its own, but for x and h of a layer, which are concatenated in ``v = [x | h]`` and
share one. Samples are encoded channel by channel over the whole of int8, with each channel's gain and offset folded
into the first layer's weights; that is why x can share the quantisation of h without losing resolution. Where h of the
layer below has another quantisation, it is multiplied by the number that makes it fit, which is folded likewise.

An LSTM computes, tensor by tensor::

    z_k = W_k v + b_k    k = i, f, g, o
    i, f, o = σ(z)       g = tanh(z_g)
    c' = f·c + i·g       the two products are tensors too
    h' = o·tanh(c')

With peepholes, the rows of i, f and o are tensors of their own, and so is what each of them sees of the cell::

    z_k = (W_k v + b_k) + p_k·c    k = i, f; of o with c' in place of c

A hidden state that integrates, of a GRU or a FastGRNN, would stand still in 8 bits wherever a step moves it by less
than half a code. So c keeps, in codes of 1 / ``FINE_STEPS``, what h lost to rounding, and a product p that h gives up,
such as u·(h - n) with u = 1 - z, is computed twice, coarse for its reach and fine for its rest::

    large = p in coarse codes                small = p in fine codes, saturated
    h₁ = h - (large - saturated(large))      t = c - small
    h' = round(h₁ + t)                       c' = t - (h' - h₁)

A GRU that resets after its product makes rows over x and rows over h for the candidate; one that resets before it
concatenates [x | r·h]. A FastGRNN's two blocks have one kernel, so its n is negated: u = σ(-W v - b) and
m = tanh(-W v - b). A simple RNN is a block and a tanh, whose quantisation h has, and it has no c. A dense layer reads x
as it comes. Where a layer rectifies, the quantisation of h ends at 0; a simple RNN's x, which shares it, is then moved
up by a number that its bias takes back. A convolution is a dense layer over [c | x], where c is x of the steps before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.halves import HALVES, Halves
from edge_lstm.integer import Decoding, Encoding, Int8, Quant, TfliteDense
from edge_lstm.model import GATES, Interface, frozen

SIGMOID_OUTPUT = Quant(1.0 / 256.0, -128)
TANH_OUTPUT = Quant(1.0 / 128.0, 0)
"""The quantisations that the int8 LOGISTIC and TANH operators demand of their outputs."""

FINE_STEPS = 8
"""Fine codes to a code of h. More resolve slower states; fewer hold larger moves, which coarse codes round."""

_SMALLEST_NUMBER = 1e-6


def constant(value: float) -> tuple[int, Quant]:
    """Code and quantisation of a number, 0 or more; far below any step of a state it is not told from 0."""
    return 127, Quant(max(value, _SMALLEST_NUMBER) / 127.0)


def passed_on(below: Quant, above: Quant) -> float:
    """What h of one layer is multiplied by so that the next can read it: the largest that both ends of int8 allow."""
    ends = [(abs(end - below.zero) * below.scale, abs(end - above.zero) * above.scale) for end in (-128, 127)]
    return min((there / here for here, there in ends if here and there), default=1.0)


@dataclass(frozen=True)
class Joint:
    """How h of one layer becomes x of the next: multiplied, and moved up where the next has no codes below 0.

    Args:
        factor: what h is multiplied by.
        product: quantisation of that.
        lift: what is then added, 0 or more.
        source: quantisation of x.
    """

    factor: float
    product: Quant
    lift: float
    source: Quant


def joint(below: Quant, above: Quant) -> Joint:
    """Of the quantisation of h below and that of x above. A lifted h keeps its codes."""
    if above.zero > -128 or below.zero == -128:
        return Joint(passed_on(below, above), above, 0.0, above)
    lift = (below.zero - above.zero) * above.scale
    return Joint(above.scale / below.scale, Quant(above.scale, below.zero), lift, above)


@dataclass(frozen=True, eq=False)
class _StepLayer:
    """What every layer has.

    Args:
        gates: blocks over [x | h], or over a part of it, all of one input quantisation.
    """

    gates: tuple[TfliteDense, ...]

    kind: ClassVar[str]
    """Its name in the headers of model files."""
    rows: ClassVar[tuple[str, ...]]
    """Names of the gates."""
    quants: ClassVar[tuple[str, ...]] = ()
    """Names of its quantisations."""
    numbers: ClassVar[tuple[str, ...]] = ()
    arrays: ClassVar[tuple[str, ...]] = ()
    """Names of its arrays of int8 beside the gates."""
    carries: ClassVar[tuple[str, ...]] = ("h", "c")
    """What the file takes of its state."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", tuple(self.gates))
        for array in self.arrays:
            object.__setattr__(self, array, frozen(getattr(self, array), np.int8))
        name = self.kind.upper()
        if len(self.gates) != len(self.rows):
            raise ModelError(f"a step {name} layer has {len(self.gates)} gates; expected {', '.join(self.rows)}")
        if len({gate.input for gate in self.gates}) != 1:
            raise ModelError("the gates of a step layer read one tensor, so they need one input quantisation")
        if self.features < 1:
            raise ModelError(f"a step layer's gates have shape {self.gates[0].weights.shape}; expected (H, F + H)")
        shapes = [gate.weights.shape for gate in self.gates]
        wanted = [(self.units, width) for width in self._widths()]
        if shapes != wanted:
            raise ModelError(f"the gates of a step {name} layer have shapes {shapes}; expected {wanted}")

    def _widths(self) -> list[int]:
        return [self.features + self.units] * len(self.rows)

    @property
    def units(self) -> int:
        return int(self.gates[0].weights.shape[0])

    @property
    def features(self) -> int:
        return int(self.gates[0].weights.shape[1]) - self.units

    @property
    def source(self) -> Quant:
        """Quantisation of x."""
        return self.gates[0].input

    @property
    def hidden(self) -> Quant:
        """Quantisation of h, and of x where the two are concatenated."""
        return self.gates[0].input

    @property
    def state(self) -> dict[str, tuple[int, Quant]]:
        """Width and quantisation of what it carries, by name."""
        parts = {"h": (self.units, self.hidden), "c": (self._cells(), self._c())}
        return {name: parts[name] for name in self.carries}

    def _cells(self) -> int:
        return self.units

    def _c(self) -> Quant:
        return Quant(self.hidden.scale / FINE_STEPS)


@dataclass(frozen=True, eq=False)
class StepLstm(_StepLayer):
    """An LSTM.

    Args:
        gates: i, f, g, o: blocks (H, F + H) over [x | h]; their outputs are the pre-activations.
        kept: quantisation of f·c.
        added: quantisation of i·g.
        cell: quantisation of the cell state, the same going in and coming out.

    Raises:
        ModelError: if the gates do not fit together.
    """

    kept: Quant
    added: Quant
    cell: Quant

    kind, rows = "lstm", GATES
    quants: ClassVar[tuple[str, ...]] = ("kept", "added", "cell")

    def _c(self) -> Quant:
        return self.cell

    def pre(self, gate: str) -> Quant:
        """Quantisation of a gate's pre-activation."""
        return self.gates[GATES.index(gate)].output


PEEPHOLE_GATES = ("i", "f", "o")
"""Those that see the cell."""


@dataclass(frozen=True, eq=False)
class StepPeepholeLstm(StepLstm):
    """An LSTM with peepholes.

    Args:
        gates: as without; the outputs of i, f, o are the rows alone.
        peephole: (3, H) int8 of i, f, o.
        peephole_i, peephole_f, peephole_o: their quantisations.
        seen_i, seen_f, seen_o: those of what they show of c.
        pre_i, pre_f, pre_o: those of the pre-activations.

    Raises:
        ModelError: if the gates and the peepholes do not fit together.
    """

    peephole: Int8
    peephole_i: Quant
    peephole_f: Quant
    peephole_o: Quant
    seen_i: Quant
    seen_f: Quant
    seen_o: Quant
    pre_i: Quant
    pre_f: Quant
    pre_o: Quant

    kind, arrays = "lstm_peephole", ("peephole",)
    quants = (
        *StepLstm.quants,
        *(f"{what}_{gate}" for what, gate in product(("peephole", "seen", "pre"), PEEPHOLE_GATES)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.peephole.shape != (3, self.units):
            raise ModelError(f"step peepholes have shape {self.peephole.shape}; expected (3, {self.units})")

    def pre(self, gate: str) -> Quant:
        return super().pre(gate) if gate == "g" else getattr(self, f"pre_{gate}")

    def peepholes(self, gate: str) -> tuple[Int8, Quant, Quant]:
        """(H,) codes of a gate, their quantisation, and that of what they show of c."""
        codes = self.peephole[PEEPHOLE_GATES.index(gate)]
        return codes, getattr(self, f"peephole_{gate}"), getattr(self, f"seen_{gate}")


@dataclass(frozen=True, eq=False)
class StepGru(_StepLayer):
    """A GRU that resets after its product.

    Args:
        gates: u, r (H, F + H) over [x | h], the candidate's rows (H, F) over x and (H, H) over h.
        reset: quantisation of r times the rows over h.
        candidate: quantisation of the candidate's pre-activation.
        away: quantisation of h - n.
        coarse: quantisation of u·(h - n), in whole steps of h.

    Raises:
        ModelError: if the gates do not fit together.
    """

    reset: Quant
    candidate: Quant
    away: Quant
    coarse: Quant

    kind, rows = "gru", ("u", "r", "n_over_x", "n_over_h")
    quants = ("reset", "candidate", "away", "coarse")

    def _widths(self) -> list[int]:
        both = self.features + self.units
        return [both, both, self.features, self.units]


@dataclass(frozen=True, eq=False)
class StepGruBefore(_StepLayer):
    """A GRU that resets before its product.

    Args:
        gates: u, r over [x | h], n over [x | r·h], (H, F + H) each.
        away: quantisation of h - n.
        coarse: quantisation of u·(h - n), in whole steps of h.

    Raises:
        ModelError: if the gates do not fit together.
    """

    away: Quant
    coarse: Quant

    kind, rows, quants = "gru_before", ("u", "r", "n"), ("away", "coarse")


@dataclass(frozen=True, eq=False)
class StepRnn(_StepLayer):
    """A simple RNN.

    Args:
        gates: n (H, F + H) over [x | h].

    Raises:
        ModelError: if the gates do not fit together, or h has not the quantisation of a tanh.
    """

    kind, rows, carries = "rnn", ("n",), ("h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden != TANH_OUTPUT:
            raise ModelError(f"h of a step RNN layer has {self.hidden}; expected {TANH_OUTPUT}, as its tanh gives it")


@dataclass(frozen=True, eq=False)
class StepRnnRelu(_StepLayer):
    """A simple RNN that rectifies: its block saturates at 0.

    Args:
        gates: n (H, F + H) over [x | h], whose output is the new h.

    Raises:
        ModelError: if the gates do not fit together, or h has two quantisations or one that does not end at 0.
    """

    kind, rows, carries = "rnn_relu", ("n",), ("h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        (block,) = self.gates
        if block.output != block.input or block.output.zero != -128:
            raise ModelError(
                f"h of a rectifying step RNN layer goes in as {block.input} and out as {block.output}; "
                "expected one that ends at 0"
            )


@dataclass(frozen=True, eq=False)
class StepFastGrnn(_StepLayer):
    """A FastGRNN. It gives up u·(h + ζ·m) + ν·m, with m = -n.

    Args:
        gates: u, m (H, F + H) over [x | h], of the same weights.
        away: quantisation of h + ζ·m.
        coarse: quantisation of u·(h + ζ·m), in whole steps of h.
        coarse_pull: quantisation of ν·m; None if its fine codes hold it.
        zeta, nu: in 0..1.

    Raises:
        ModelError: if the gates do not fit together.
    """

    away: Quant
    coarse: Quant
    coarse_pull: Quant | None
    zeta: float
    nu: float

    kind, rows = "fastgrnn", ("u", "m")
    quants, numbers = ("away", "coarse", "coarse_pull"), ("zeta", "nu")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.array_equal(self.gates[0].weights, self.gates[1].weights):
            raise ModelError("the two blocks of a step FASTGRNN layer have one kernel; quantise the model anew")

    @property
    def scaled(self) -> Quant:
        """Quantisation of ζ·m: the codes of m as they are."""
        return Quant(max(self.zeta, _SMALLEST_NUMBER) * TANH_OUTPUT.scale)


@dataclass(frozen=True, eq=False)
class StepDense(_StepLayer):
    """A dense layer; its h is what it gives, and it carries nothing.

    Args:
        gates: n (H, F) over x; without a squashing activation its output is h.
        activation: linear, relu, tanh or sigmoid.

    Raises:
        ModelError: if the activation is not known.
    """

    activation: str

    kind, rows = "dense", ("n",)
    numbers: ClassVar[tuple[str, ...]] = ("activation",)
    carries: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in DENSE_OUTPUTS:
            raise ModelError(f"activation {self.activation!r} is not known; choose one of {', '.join(DENSE_OUTPUTS)}")

    def _widths(self) -> list[int]:
        return [self.features]

    @property
    def features(self) -> int:
        return int(self.gates[0].weights.shape[1])

    @property
    def squash(self) -> str | None:
        """The operator behind the block, LOGISTIC or TANH; None without one."""
        return DENSE_OUTPUTS[self.activation][0]

    @property
    def hidden(self) -> Quant:
        return DENSE_OUTPUTS[self.activation][1] or self.gates[0].output


@dataclass(frozen=True, eq=False)
class StepConv(StepDense):
    """A causal convolution; its c is the codes of the steps before, the oldest first, in the quantisation of x.

    Args:
        gates: n (H, taps·F) over [c | x].
        taps: 2 or more.

    Raises:
        ModelError: if the activation is not known or the taps do not fit.
    """

    taps: int

    kind, numbers, carries = "conv", ("activation", "taps"), ("c",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taps < 2 or self.columns % self.taps:
            raise ModelError(f"a step CONV layer has {self.columns} columns; expected 2 or more taps of as many")

    def _widths(self) -> list[int]:
        return [self.columns]

    def _cells(self) -> int:
        return self.columns - self.features

    def _c(self) -> Quant:
        return self.source

    @property
    def columns(self) -> int:
        """Codes that a row is over."""
        return int(self.gates[0].weights.shape[1])

    @property
    def features(self) -> int:
        return self.columns // self.taps


DENSE_OUTPUTS: dict[str, tuple[str | None, Quant | None]] = {
    "linear": (None, None),
    "relu": (None, None),
    "tanh": ("TANH", TANH_OUTPUT),
    "sigmoid": ("LOGISTIC", SIGMOID_OUTPUT),
}
"""Activation of a dense layer → the operator behind its block, and the quantisation that this one gives."""


StepRemembering = StepLstm | StepPeepholeLstm | StepGru | StepGruBefore | StepRnn | StepRnnRelu | StepFastGrnn
StepCellLayer = StepRemembering | StepDense | StepConv


@dataclass(frozen=True, eq=False)
class StepBidirectional(Halves):
    """A layer that looks ahead; its halves have one quantisation of x and one of h."""

    forward: StepCellLayer
    backward: StepCellLayer

    kind: ClassVar[str] = "bidirectional"
    alike = ("kind", "features", "units", "source", "hidden")

    @property
    def source(self) -> Quant:
        """Quantisation of x."""
        return self.forward.source

    @property
    def hidden(self) -> Quant:
        """Quantisation of h."""
        return self.forward.hidden

    @property
    def state(self) -> dict[str, tuple[int, Quant]]:
        """Width and quantisation of what it carries: c of the forward half, x and h of it of the last steps."""
        own = {name: part for name, part in self.forward.state.items() if name == "c"}
        x, f = self.look_ahead * self.features, self.look_ahead * self.forward.units
        return own | {"x": (x, self.source), "f": (f, self.hidden)}


StepLayer = StepCellLayer | StepBidirectional

STEP_LAYERS: dict[str, type[StepCellLayer]] = {
    layer.kind: layer
    for layer in (
        StepLstm,
        StepPeepholeLstm,
        StepGru,
        StepGruBefore,
        StepRnn,
        StepRnnRelu,
        StepFastGrnn,
        StepDense,
        StepConv,
    )
}
"""Every kind of layer of blocks of its own, by its name."""


@dataclass(frozen=True, eq=False)
class StepModel:
    """An explicit-state step model; ``head`` gives int8 output codes.

    Raises:
        ModelError: if the last layer and the head do not share one quantisation of h.
    """

    layers: tuple[StepLayer, ...]
    head: TfliteDense
    encoding: Encoding
    decoding: Decoding
    interface: Interface
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if self.layers[-1].hidden != self.head.input:
            raise ModelError("the last layer of a step model and its head need one quantisation of h")


def to_arrays(model: StepModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays by name and JSON values: all of the model but its interface and report."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"decoding": [model.decoding.scale, model.decoding.zero]}
    header["layers"] = [_layer_to(arrays, f"layers.{index}", layer) for index, layer in enumerate(model.layers)]
    header["head"] = _dense_to(arrays, "head", model.head)
    header["encoding_zero"] = model.encoding.zero
    arrays |= {f"encoding.{name}": getattr(model.encoding, name) for name in ("offset", "gain", "low", "high")}
    return arrays, header


def from_arrays(
    arrays: dict[str, Any], header: dict[str, Any], interface: Interface, report: dict[str, Any] | None = None
) -> StepModel:
    """The inverse of ``to_arrays``."""
    layers = tuple(_layer_from(arrays, f"layers.{index}", row) for index, row in enumerate(header["layers"]))
    offset, gain, low, high = (arrays[f"encoding.{name}"] for name in ("offset", "gain", "low", "high"))
    return StepModel(
        layers,
        _dense_from(arrays, "head", header["head"]),
        Encoding(offset, gain, header["encoding_zero"], low, high),
        Decoding(*header["decoding"]),
        interface,
        report or {},
    )


def _layer_to(arrays: dict[str, Any], prefix: str, layer: StepLayer) -> dict[str, Any]:
    if isinstance(layer, StepBidirectional):
        halves = {name: _layer_to(arrays, f"{prefix}.{name}", half) for name, half in layer.named_halves.items()}
        return {"kind": layer.kind, "look_ahead": layer.look_ahead, **halves}
    named = zip(layer.rows, layer.gates, strict=True)
    gates = [_dense_to(arrays, f"{prefix}.{name}", block) for name, block in named]
    ranges = {name: _quant_to(getattr(layer, name)) for name in layer.quants}
    arrays |= {f"{prefix}.{name}": getattr(layer, name) for name in layer.arrays}
    return {"kind": layer.kind, "gates": gates, **ranges, **{name: getattr(layer, name) for name in layer.numbers}}


def _layer_from(arrays: dict[str, Any], prefix: str, row: dict[str, Any]) -> StepLayer:
    if row.get("kind") == StepBidirectional.kind:
        halves: Any = {name: _layer_from(arrays, f"{prefix}.{name}", row[name]) for name in HALVES}
        return StepBidirectional(**halves, look_ahead=row["look_ahead"])
    kind = STEP_LAYERS[row.get("kind", StepLstm.kind)]  # files of before there were other cells do not say
    named = zip(kind.rows, row["gates"], strict=True)
    gates = tuple(_dense_from(arrays, f"{prefix}.{name}", block) for name, block in named)
    ranges = {name: _quant_from(row[name]) for name in kind.quants}
    more = {name: arrays[f"{prefix}.{name}"] for name in kind.arrays}
    return kind(gates, **ranges, **more, **{name: row[name] for name in kind.numbers})


def _quant_to(quant: Quant | None) -> list[float] | None:
    return None if quant is None else [quant.scale, quant.zero]


def _quant_from(values: list[Any] | None) -> Any:
    return None if values is None else Quant(*values)


def _dense_to(arrays: dict[str, Any], name: str, block: TfliteDense) -> dict[str, Any]:
    arrays[f"{name}.weights"] = np.asarray(block.weights)
    arrays[f"{name}.bias"] = np.asarray(block.bias)
    return {"weight_scale": block.weight_scale, "input": _quant_to(block.input), "output": _quant_to(block.output)}


def _dense_from(arrays: dict[str, Any], name: str, row: dict[str, Any]) -> TfliteDense:
    weights, bias = arrays[f"{name}.weights"], arrays[f"{name}.bias"]
    return TfliteDense(weights, bias, row["weight_scale"], Quant(*row["input"]), Quant(*row["output"]))
