"""The trained model in floating point: weights, what goes in, what comes out.

A model is a stack of recurrent layers and one dense head, applied one sample at a time. Shapes use
F = features of a layer's input, H = units, O = outputs, C = channels of the sensor.

Everything here is immutable data, checked once on construction; nothing downstream checks it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from edge_lstm.cell_weights import (
    CELLS,
    GATES,
    LSTM_PEEPHOLE,
    RNN_RELU,
    Activation,
    ArrayWeights,
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnActivation,
    RnnWeights,
)
from edge_lstm.errors import ModelError
from edge_lstm.values import Float32, Float64, frozen, refuse_non_finite

__all__ = [
    "CELLS",
    "GATES",
    "LSTM_PEEPHOLE",
    "RNN_RELU",
    "Activation",
    "AnomalyRule",
    "ArrayWeights",
    "BidirectionalWeights",
    "CellWeights",
    "ConvWeights",
    "DenseLayerWeights",
    "DenseWeights",
    "FastGrnnWeights",
    "Float32",
    "Float64",
    "FloatModel",
    "GruWeights",
    "Interface",
    "LstmWeights",
    "PeepholeLstmWeights",
    "RecurrentWeights",
    "RnnActivation",
    "RnnWeights",
    "Scaling",
    "Task",
    "TaskKind",
    "frozen",
]

TaskKind = Literal["classify", "tag", "forecast", "regress", "anomaly"]


@dataclass(frozen=True, eq=False)
class DenseWeights:
    """The head: ``y = weights @ h + bias``.

    Args:
        weights: (O, H).
        bias: (O,).
    """

    weights: Float32
    bias: Float32

    def __post_init__(self) -> None:
        for name in ("weights", "bias"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ModelError(f"head weights have shape {self.weights.shape}; expected (outputs, units)")
        if self.bias.shape != self.weights.shape[:1]:
            raise ModelError(f"head bias has shape {self.bias.shape}; expected {self.weights.shape[:1]}")
        refuse_non_finite("head", self.weights, self.bias)

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])


@dataclass(frozen=True, eq=False)
class Scaling:
    """Per-channel affine scaling: ``scaled = (physical - offset) / scale``.

    Args:
        offset: (C,) in the channel's physical unit.
        scale: (C,) in the channel's physical unit, positive.
        kind: how it was fitted: ``standard``, ``min-max``, ``robust`` or ``none``.
    """

    offset: Float64
    scale: Float64
    kind: str = "standard"

    def __post_init__(self) -> None:
        for name in ("offset", "scale"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))
        if self.offset.ndim != 1 or self.offset.shape != self.scale.shape:
            raise ModelError(
                f"scaling has offset {self.offset.shape} and scale {self.scale.shape}; expected (channels,)"
            )
        refuse_non_finite("scaling", self.offset, self.scale)
        if not (self.scale > 0).all():
            raise ModelError("scaling has a scale that is not positive; a constant channel takes scale 1")

    @classmethod
    def identity(cls, channels: int) -> Scaling:
        return cls(np.zeros(channels), np.ones(channels), "none")

    def apply(self, physical: Any) -> Float64:
        """(..., C) physical units → (..., C) scaled."""
        return np.asarray((np.asarray(physical, np.float64) - self.offset) / self.scale)

    def undo(self, scaled: Any) -> Float64:
        """(..., C) scaled → (..., C) physical units."""
        return np.asarray(np.asarray(scaled, np.float64) * self.scale + self.offset)


@dataclass(frozen=True)
class AnomalyRule:
    """When a forecast residual is an anomaly.

    The score of a step is the exponentially weighted mean of the scaled one-step residual
    ``mean_c |y - x|``: ``score += smoothing * (residual - score)``. A step is an anomaly when its
    score exceeds ``threshold``, which was learned as a quantile of scores on normal recordings.
    """

    smoothing: float
    threshold: float
    quantile: float

    def __post_init__(self) -> None:
        if not 0 < self.smoothing <= 1:
            raise ModelError(f"anomaly smoothing is {self.smoothing}; expected a number in (0, 1]")


@dataclass(frozen=True)
class Task:
    """What the outputs mean, and when a stream speaks.

    Args:
        kind: ``classify`` (one label a recording or a window), ``tag`` (a label a step), ``forecast``
            (the target channels ``horizon`` steps ahead), ``regress`` (numbers a step or a recording),
            ``anomaly`` (one-step forecast residual against a threshold).
        outputs: names of the outputs: labels for ``classify`` and ``tag``, target names otherwise.
        window: steps of a window. The state is zeroed at the start of every window and a prediction is
            made at its end. None carries the state for ever and predicts at every step.
        horizon: steps ahead, for ``forecast`` and ``anomaly`` (1).
        target_channels: (O,) input channel of each output, for ``forecast`` and ``anomaly``.
        anomaly: the rule of an ``anomaly`` model.
    """

    kind: TaskKind
    outputs: tuple[str, ...]
    window: int | None = None
    horizon: int = 0
    target_channels: tuple[int, ...] = ()
    anomaly: AnomalyRule | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple(self.outputs))
        object.__setattr__(self, "target_channels", tuple(int(c) for c in self.target_channels))
        if self.kind not in get_args(TaskKind):
            raise ModelError(f"task {self.kind!r} is not known; choose one of {', '.join(get_args(TaskKind))}")
        if not self.outputs or len(set(self.outputs)) != len(self.outputs):
            raise ModelError("a task needs outputs with distinct names")
        if self.window is not None and self.window < 1:
            raise ModelError(f"task window is {self.window} steps; expected at least 1")
        if self.predicts_ahead and (self.horizon < 1 or len(self.target_channels) != len(self.outputs)):
            raise ModelError(f"a {self.kind} task needs a horizon of at least 1 and one target channel an output")

    @property
    def predicts_labels(self) -> bool:
        return self.kind in ("classify", "tag")

    @property
    def predicts_ahead(self) -> bool:
        return self.kind in ("forecast", "anomaly")


@dataclass(frozen=True, eq=False)
class Interface:
    """What surrounds the network: the sensor on one side, the meaning of the outputs on the other.

    It travels unchanged from training into every integer model and bundle.

    Args:
        channels: (C,) names of the input channels.
        scaling: physical input → network input.
        task: meaning of the outputs.
        target_scaling: physical target → network output; identity for labels.
        rate_hz: sample rate of the recordings, if known.
        front_end: parameters of an audio front end whose frames are the input, or None.
        provenance: where the model came from: data fingerprint, seed, training settings. JSON values.
        look_ahead: steps before the newest sample that the outputs are of, because layers look ahead so far. A
            ``FloatModel`` sees to it.
    """

    channels: tuple[str, ...]
    scaling: Scaling
    task: Task
    target_scaling: Scaling
    rate_hz: float | None = None
    front_end: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    look_ahead: int = 0

    @property
    def ahead(self) -> int:
        """Steps from the newest sample to the one that an output is of; 0 of what is said of a window."""
        if self.task.predicts_ahead:
            return self.task.horizon
        return -self.look_ahead if self.task.window is None else 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if len(self.channels) != len(self.scaling.offset):
            raise ModelError(f"{len(self.channels)} channels are named but {len(self.scaling.offset)} are scaled")
        if len(self.task.outputs) != len(self.target_scaling.offset):
            raise ModelError(
                f"{len(self.task.outputs)} outputs are named but {len(self.target_scaling.offset)} are scaled"
            )
        bad = [c for c in self.task.target_channels if not 0 <= c < len(self.channels)]
        if bad:
            raise ModelError(f"target channel {bad[0]} does not exist; there are {len(self.channels)} channels")


@dataclass(frozen=True, eq=False)
class FloatModel:
    """A trained network: layers, of any cells, a dense head and its interface.

    Raises:
        ModelError: if the layers, the head and the interface do not fit together.
    """

    layers: tuple[CellWeights, ...]
    head: DenseWeights
    interface: Interface

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        late = sum(layer.look_ahead for layer in self.layers if isinstance(layer, BidirectionalWeights))
        if late != self.interface.look_ahead:
            object.__setattr__(self, "interface", replace(self.interface, look_ahead=late))
        if all(isinstance(layer, DenseLayerWeights) for layer in self.layers):
            raise ModelError("a model needs at least one recurrent layer")
        widths = [len(self.interface.channels), *(layer.units for layer in self.layers)]
        for index, (layer, width) in enumerate(zip(self.layers, widths, strict=False)):
            if layer.features != width:
                raise ModelError(f"layer {index} takes {layer.features} features but is given {width}")
        if self.head.weights.shape[1] != widths[-1]:
            raise ModelError(f"the head takes {self.head.weights.shape[1]} units but is given {widths[-1]}")
        if self.interface.look_ahead and self.interface.task.predicts_ahead:
            raise ModelError(
                f"a model that speaks {self.interface.look_ahead} steps late can foretell nothing; make it a regress"
            )
        if self.head.outputs != len(self.interface.task.outputs):
            raise ModelError(
                f"the head has {self.head.outputs} outputs but the task names {len(self.interface.task.outputs)}"
            )

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(layer.parameters for layer in self.layers) + self.head.weights.size + self.head.bias.size

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of it, a sentence each."""
        late = self.interface.look_ahead
        return (f"it looks ahead: what it says at a step is of the step {late} before, and of none at first",) * bool(
            late
        )

    def with_interface(self, **changes: Any) -> FloatModel:
        """The same network with some fields of its interface replaced."""
        return replace(self, interface=replace(self.interface, **changes))
