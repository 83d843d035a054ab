"""What a user may ask of training: the ``[model]`` and ``[training]`` tables of ``edge-lstm.toml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from edge_lstm.datasets.settings import refuse_unknown, suggestion
from edge_lstm.errors import ProjectError
from edge_lstm.halves import MOST_LOOK_AHEAD, steps_late, widths
from edge_lstm.model import Task

Optimiser = Literal["adam", "rmsprop"]
Schedule = Literal["cosine", "plateau", "constant"]
Loss = Literal["auto", "cross-entropy", "mse", "mae", "huber"]
Supervision = Literal["ramp", "last"]
ClassWeights = Literal["none", "balanced"] | tuple[tuple[str, float], ...]

CellName = Literal["lstm", "gru", "rnn", "rnn-relu", "fastgrnn", "bilstm", "bigru", "birnn", "dense", "conv"]

MODEL_KEYS = ("cell", "units", "taps", "look_ahead", "dropout")
"""Keys of the ``[model]`` table; all others belong to ``[training]``."""

LEVEL_NOISE = 0.3
LEVEL_NOISE_AHEAD = 1.0

MAX_LAYERS = 8
MAX_UNITS = 1024
MOST_TAPS = 64


@dataclass(frozen=True)
class TrainingSpec:
    """How a network is shaped and trained.

    Args:
        cell: ``lstm``, ``gru``, ``rnn`` (tanh), ``rnn-relu`` or ``fastgrnn``; ``bilstm``, ``bigru`` or ``birnn``, which
            are bidirectional and look ahead; or a list of one a layer, in which may also be ``dense``, a layer without
            memory (ReLU), and ``conv``, a causal convolution over the last steps (ReLU).
        units: (layers,) units of each layer but the head, the one nearest the input first; each way of a bidirectional
            one.
        taps: steps that each convolution spans.
        look_ahead: steps that each bidirectional layer looks ahead, by which what the model says is late.
        dropout: share of each layer's outputs dropped while training.
        epochs: most passes over the training part.
        batch: recordings, windows or chunks in a step of the optimiser; fewer where an epoch would have under 8 steps.
        learning_rate: the highest rate of the schedule.
        optimiser: ``adam`` or ``rmsprop``.
        schedule: ``cosine`` falls to 1 % of the rate over the epochs, ``plateau`` halves it whenever the
            validation loss stalls, ``constant`` keeps it.
        clip_norm: limit of the gradient's global norm.
        patience: epochs without a lower validation loss before training stops.
        class_weights: ``none``, ``balanced`` (inverse frequency), or a weight for each label named.
        loss: ``auto`` is cross-entropy for labels and Huber (delta: one scaled unit) for numbers.
        supervision: where the one label of a recording or a window is taught: ``ramp`` half at the last
            step and half at every step, growing linearly; ``last`` at the last step alone.
        averaging: decay a step of the running mean of the weights, which is the model kept; 0 keeps the weights.
        input_noise: standard deviation of the noise added to the scaled input, drawn at every step.
        level_noise: standard deviation of an offset added to each scaled channel, drawn once a sequence. It
            teaches a network to live with sensors that drift. None is 1 for a task that looks ahead, whose targets
            are moved along with their channels, and 0.3 for any other.
        label_smoothing: share of a label's probability that is spread over all labels.
        weight_decay: decoupled decay of the weights.
        seed: of the initial weights, the order, the dropout and the noise.

    Raises:
        ProjectError: for a value that is out of bounds, each with the bounds.
    """

    cell: CellName | tuple[CellName, ...] = "lstm"
    units: tuple[int, ...] = (32,)
    taps: int = 3
    look_ahead: int = 8
    dropout: float = 0.2
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 3e-3
    optimiser: Optimiser = "adam"
    schedule: Schedule = "cosine"
    clip_norm: float = 5.0
    patience: int = 20
    class_weights: ClassWeights = "none"
    loss: Loss = "auto"
    supervision: Supervision = "ramp"
    averaging: float = 0.99
    input_noise: float = 0.0
    level_noise: float | None = None
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name)))
        if set(self.cells) <= {"dense", "conv"}:
            names = " and ".join(sorted(set(self.cells)))
            remembering = ", ".join(name for name in get_args(CellName) if name not in ("dense", "conv"))
            raise ProjectError(f"cell names {names} layers alone; give at least one of {remembering}")
        if not isinstance(self.cell, str):
            if len(self.cell) != len(self.units):
                raise ProjectError(
                    f"cell names {len(self.cell)} layers, units {len(self.units)}; give one for all, or one a layer"
                )
            if len(set(self.cell)) == 1:
                object.__setattr__(self, "cell", self.cell[0])

    @property
    def cells(self) -> tuple[CellName, ...]:
        """(layers,) the cell of each layer."""
        return (self.cell,) * len(self.units) if isinstance(self.cell, str) else self.cell

    @property
    def widths(self) -> tuple[int, ...]:
        """(layers,) outputs of each layer."""
        return widths(self.cells, self.units)

    @property
    def late(self) -> int:
        """Steps by which what the model says is late."""
        return steps_late(self.cells, self.look_ahead)

    def level_noise_for(self, task: Task) -> float:
        """Standard deviation of the level noise, in scaled units."""
        if self.level_noise is not None:
            return self.level_noise
        return LEVEL_NOISE_AHEAD if task.predicts_ahead else LEVEL_NOISE

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> TrainingSpec:
        """The spec of a parsed project file.

        Args:
            table: the whole file, or a part of it with the tables ``model`` and ``training``; either may be absent.
            where: the file, for messages.

        Raises:
            ProjectError: for a key that is unknown or in the wrong table, or a value that is not usable.
        """
        training_keys = tuple(f.name for f in fields(cls) if f.name not in MODEL_KEYS)
        values: dict[str, Any] = {}
        for name, keys, others in (("model", MODEL_KEYS, training_keys), ("training", training_keys, MODEL_KEYS)):
            part = table.get(name, {})
            if not isinstance(part, Mapping):
                raise ProjectError(f"{where}: {name} is {part!r}, not a table; write [{name}] on a line of its own")
            for key, value in part.items():
                if key in others:
                    other = "training" if name == "model" else "model"
                    raise ProjectError(f"{where} [{name}]: key {key!r} belongs to the table [{other}]; move it there")
                if key not in keys:
                    raise ProjectError(f"{where} [{name}]: key {key!r} is not known; {suggestion(key, keys)}")
                try:
                    values[key] = _checked(key, value)
                except ProjectError as error:
                    raise ProjectError(f"{where} [{name}]: {error}") from error
        try:
            spec = cls(**values)
            if "taps" in values and "conv" not in spec.cells:
                raise ProjectError("taps is of conv layers, and cell names none; leave it out")
            if "look_ahead" in values and not spec.late:
                raise ProjectError("look_ahead is of bilstm, bigru and birnn, and cell names none; leave it out")
            return spec
        except ProjectError as error:  # of two keys that do not go together; each was checked by itself above
            raise ProjectError(f"{where} [model]: {error}") from error

    def as_json(self) -> dict[str, Any]:
        """The two tables, as JSON values: ``from_table`` reads them back."""
        values: dict[str, Any] = asdict(self)
        values["units"] = list(self.units)
        if self.cell == "lstm":
            del values["cell"]  # as before there were others, so that a checkpoint of then can still be resumed
        elif not isinstance(self.cell, str):
            values["cell"] = list(self.cell)
        if "conv" not in self.cells:
            del values["taps"]
        if not self.late:
            del values["look_ahead"]
        if self.level_noise is None:
            del values["level_noise"]
        if not isinstance(self.class_weights, str):
            values["class_weights"] = dict(self.class_weights)
        model = {key: values.pop(key) for key in MODEL_KEYS if key in values}
        return {"model": model, "training": values}


@dataclass(frozen=True)
class _Bounds:
    low: float
    high: float
    whole: bool = False


_BOUNDS = {
    "taps": _Bounds(2, MOST_TAPS, whole=True),
    "look_ahead": _Bounds(1, MOST_LOOK_AHEAD, whole=True),
    "dropout": _Bounds(0.0, 0.9),
    "epochs": _Bounds(1, 100_000, whole=True),
    "batch": _Bounds(1, 4096, whole=True),
    "learning_rate": _Bounds(1e-6, 0.1),
    "clip_norm": _Bounds(0.001, 1000.0),
    "patience": _Bounds(1, 100_000, whole=True),
    "averaging": _Bounds(0.0, 0.9999),
    "input_noise": _Bounds(0.0, 10.0),
    "level_noise": _Bounds(0.0, 10.0),
    "label_smoothing": _Bounds(0.0, 0.5),
    "weight_decay": _Bounds(0.0, 1.0),
    "seed": _Bounds(0, 2**31 - 1, whole=True),
}


def _as_number(key: str, value: Any) -> int | float:
    bounds = _BOUNDS[key]
    words = "a whole number" if bounds.whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float) or (bounds.whole and value != value // 1):
        raise ProjectError(f"{key} is {value!r}, not {words}; give {words} in {bounds.low:g} to {bounds.high:g}")
    if not bounds.low <= value <= bounds.high:
        raise ProjectError(f"{key} is {value}; give {words} in {bounds.low:g} to {bounds.high:g}")
    return int(value) if bounds.whole else float(value)


def _as_level_noise(key: str, value: Any) -> float | None:
    return None if value is None else float(_as_number(key, value))


def _as_cell(key: str, value: Any) -> CellName | tuple[CellName, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names:
        raise ProjectError(f"{key} is {value!r}; give one of {', '.join(get_args(CellName))}, or a list of one a layer")
    for name in names:
        refuse_unknown(key, name, get_args(CellName))
    return value if isinstance(value, str) else tuple(names)  # type: ignore[return-value]  # checked above


def _as_units(key: str, value: Any) -> tuple[int, ...]:
    widths = (value,) if isinstance(value, int) else value
    if not isinstance(widths, list | tuple) or not 1 <= len(widths) <= MAX_LAYERS:
        raise ProjectError(f"{key} is {value!r}; give a list of 1 to {MAX_LAYERS} layer widths, such as [32]")
    for width in widths:
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= MAX_UNITS:
            raise ProjectError(f"{key} is {value!r}; each layer takes a whole number of 1 to {MAX_UNITS} units")
    return tuple(widths)


def _as_class_weights(key: str, value: Any) -> ClassWeights:
    if isinstance(value, str):
        refuse_unknown(key, value, ("none", "balanced"))
        return "balanced" if value == "balanced" else "none"
    if not isinstance(value, Mapping | tuple):
        raise ProjectError(f"{key} is {value!r}; give none, balanced or a table of label = weight")
    pairs = tuple(value.items()) if isinstance(value, Mapping) else value
    for label, weight in pairs:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1e6:
            raise ProjectError(f"{key} gives label {label!r} the weight {weight!r}; give a number in 0 to 1000000")
    return tuple((str(label), float(weight)) for label, weight in pairs)


def _choice(choices: tuple[str, ...]) -> Callable[[str, Any], str]:
    def convert(key: str, value: Any) -> str:
        refuse_unknown(key, value, choices)
        return str(value)

    return convert


_KINDS: dict[str, Callable[[str, Any], Any]] = {
    "cell": _as_cell,
    "units": _as_units,
    "level_noise": _as_level_noise,
    "class_weights": _as_class_weights,
    "optimiser": _choice(get_args(Optimiser)),
    "schedule": _choice(get_args(Schedule)),
    "loss": _choice(get_args(Loss)),
    "supervision": _choice(get_args(Supervision)),
}


def _checked(key: str, value: Any) -> Any:
    convert: Callable[[str, Any], Any] = _KINDS.get(key, _as_number)
    return convert(key, value)
