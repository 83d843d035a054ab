"""What training sees: padded sequences of inputs with the targets each step bears.

N = sequences, T = longest of them in steps, C = channels, O = outputs. No sequence crosses a recording's end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.recording import Dataset, Recording, natural, shortened
from edge_lstm.datasets.settings import suggestion
from edge_lstm.datasets.spec import TaskSpec
from edge_lstm.errors import DataError
from edge_lstm.model import AnomalyRule, Float32, Task, frozen

Int32 = NDArray[np.int32]
Targets = NDArray[Any]

NO_LABEL = -1
"""Target of a step that bears none, among labels; NaN among numbers."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences ready to train on, in physical units.

    Args:
        inputs: (N, T, C), zero-padded at the end.
        lengths: (N,) steps before the padding.
        targets: (N, T) indices into the outputs, -1 where a step bears none; or (N, T, O) in physical units, NaN
            where a step bears none.
        recording: (N,) index of the recording each sequence was cut from.
        start: (N,) its first step in that recording.
        skipped: names of recordings that gave no sequence: shorter than the window, or without a target.
    """

    inputs: Float32
    lengths: Int32
    targets: Targets
    recording: Int32
    start: Int32
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = {"inputs": np.float32, "lengths": np.int32, "recording": np.int32, "start": np.int32}
        for name, dtype in kinds.items():
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        object.__setattr__(self, "targets", frozen(self.targets, np.float32 if self.targets.ndim == 3 else np.int32))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def has_target(self) -> NDArray[np.bool_]:
        """(N, T): which steps bear a target, of one output at least."""
        labelled = self.targets != NO_LABEL if self.targets.ndim == 2 else ~np.isnan(self.targets).all(axis=2)
        return np.asarray(labelled)

    def class_counts(self, outputs: Sequence[str]) -> dict[str, int]:
        """Targets of each label."""
        counts = np.bincount(self.targets[self.targets != NO_LABEL], minlength=len(outputs))
        return {label: int(count) for label, count in zip(outputs, counts, strict=True)}


def outputs_of(dataset: Dataset, spec: TaskSpec) -> tuple[str, ...]:
    """Names of the outputs: those the task asks for, else all that the data have.

    Raises:
        DataError: if the data lack labels, targets or channels of such names.
    """
    known = _KNOWN_OUTPUTS[spec.kind](dataset)
    if not known:
        raise DataError(_NO_OUTPUTS[spec.kind])
    labels = dataset.labels() or spec.normal  # recordings without any label are named one by one, later
    for what, names, there in (("output", spec.outputs, known), ("normal label", spec.normal, labels)):
        for name in names:
            if name not in there:
                raise DataError(f"{what} {name!r} is not in the data; {suggestion(name, there)}")
    if spec.kind in ("classify", "tag") and spec.outputs and set(known) - set(spec.outputs):
        extra = sorted(set(known) - set(spec.outputs), key=natural)
        raise DataError(
            f"label {extra[0]!r} is in the data but not among the task's outputs; add it or remove its data"
        )
    outputs = spec.outputs or known
    if spec.kind in ("classify", "tag") and len(outputs) < 2:
        raise DataError(f"all recordings bear the label {outputs[0]!r}; a {spec.kind} task needs at least 2 labels")
    return outputs


def target_channels_of(dataset: Dataset, spec: TaskSpec, outputs: Sequence[str]) -> tuple[int, ...]:
    """(O,) the input channel each output forecasts; empty for tasks that do not look ahead."""
    if spec.kind not in ("forecast", "anomaly"):
        return ()
    return tuple(dataset.channels.index(name) for name in outputs)


def task_of(dataset: Dataset, spec: TaskSpec, outputs: Sequence[str], anomaly: AnomalyRule | None = None) -> Task:
    """The task a model trained on these data carries."""
    channels = target_channels_of(dataset, spec, outputs)
    horizon = spec.horizon if channels else 0
    return Task(spec.kind, tuple(outputs), spec.window, horizon, channels, anomaly)


def make_sequences(dataset: Dataset, spec: TaskSpec, outputs: Sequence[str], late: int = 0) -> Sequences:
    """Cut the recordings into sequences.

    With a window: every window of ``spec.window`` steps, ``spec.stride`` apart, its target at its last step. Without:
    a recording whose target is at its end stays whole; one that bears targets at its steps is cut into
    consecutive chunks of ``spec.chunk`` steps, each of which training starts from a zero state.
    Sequences that bear no target are left out.

    Args:
        late: steps by which a model that looks ahead speaks of a step later. Its targets lie where it does: those of
            the last steps of a sequence are lost, and one at the end of a sequence is of the whole, and stays.

    Raises:
        DataError: if no sequence is left, or a recording's targets do not suit the task.
    """
    targets_of = _TARGETS[spec.kind]
    cut: list[tuple[int, int, Float32, Targets]] = []
    skipped = []
    for index, recording in enumerate(dataset.recordings):
        targets = _without_history(targets_of(recording, dataset, spec, tuple(outputs)), recording.context)
        sequences = [
            (index, start, recording.series[start:stop], _where_said(targets[start:stop], spec.at_end, late))
            for start, stop in _spans(recording.steps, spec)
        ]
        sequences = [s for s in sequences if not _is_blank(s[3])]
        cut += sequences
        if not sequences:
            skipped.append(recording.name)
    if not cut:
        spoken = f"the model speaks {late} steps late, " if late else ""
        longest = max(r.steps for r in dataset.recordings)
        raise DataError(
            f"no sequence can be cut: the longest recording has {longest} steps, {spoken}the window is "
            f"{spec.window or 'not set'}, the horizon {spec.horizon}, and every target is missing or "
            f"outside; shorten the {'look_ahead, the ' if late else ''}window or the horizon, or check the targets"
        )
    return _padded(cut, tuple(skipped))


def _spans(steps: int, spec: TaskSpec) -> list[tuple[int, int]]:
    if spec.window is not None:
        return [(s, s + spec.window) for s in range(0, steps - spec.window + 1, spec.stride or spec.window)]
    if spec.at_end:
        return [(0, steps)]
    return [(start, min(start + spec.chunk, steps)) for start in range(0, steps, spec.chunk)]


def _padded(cut: list[tuple[int, int, Float32, Targets]], skipped: tuple[str, ...]) -> Sequences:
    longest = max(len(inputs) for _, _, inputs, _ in cut)
    _, _, first, target = cut[0]
    inputs = np.zeros((len(cut), longest, first.shape[1]), np.float32)
    targets = np.full((len(cut), longest, *target.shape[1:]), _blank(target), target.dtype)
    for row, (_, _, series, wanted) in enumerate(cut):
        inputs[row, : len(series)] = series
        targets[row, : len(series)] = wanted
    lengths = np.array([len(series) for _, _, series, _ in cut])
    return Sequences(inputs, lengths, targets, np.array([c[0] for c in cut]), np.array([c[1] for c in cut]), skipped)


def _blank(targets: Targets) -> float:
    return np.nan if targets.dtype.kind == "f" else NO_LABEL


def _is_blank(targets: Targets) -> bool:
    return bool(np.isnan(targets).all() if targets.dtype.kind == "f" else (targets == NO_LABEL).all())


def _without_history(targets: Targets, context: int) -> Targets:
    targets[:context] = _blank(targets)
    return targets


def _where_said(targets: Targets, at_end: bool, late: int) -> Targets:
    said = np.full_like(targets, _blank(targets))
    if at_end:
        said[-1] = targets[-1]
    else:
        said[late:] = targets[: max(len(targets) - late, 0)]
    return said


# One function a kind of task: the target of every step of a recording, (T,) int32 or (T, O) float32, its own copy.


def _label_targets(recording: Recording, _dataset: Dataset, spec: TaskSpec, outputs: tuple[str, ...]) -> Targets:
    unknown = sorted(recording.labels() - set(outputs), key=natural)
    if unknown:
        raise DataError(
            f"{recording.name}: label {unknown[0]!r} is not one of the outputs; {suggestion(unknown[0], outputs)}"
        )
    if recording.label is None and recording.step_labels is None:
        raise DataError(f"{recording.name}: it has no label; label it, or take it out of a {spec.kind} task")
    if recording.label is not None and (spec.kind == "classify" or recording.step_labels is None):
        return np.full(recording.steps, outputs.index(recording.label), np.int32)
    if spec.kind == "classify" and spec.window is None:
        raise DataError(
            f"{recording.name}: its steps bear several labels ({shortened(sorted(recording.labels()))}), "
            "but a classify task without a window needs one; set a window or choose kind = 'tag'"
        )
    index = {label: i for i, label in enumerate(outputs)}
    labels = [] if recording.step_labels is None else recording.step_labels.tolist()
    return np.array([index.get(label, NO_LABEL) for label in labels], np.int32)


def _number_targets(recording: Recording, dataset: Dataset, _spec: TaskSpec, outputs: tuple[str, ...]) -> Targets:
    if recording.step_numbers is None:
        raise DataError(f"{recording.name}: it has no numeric target; name its column in target")
    return recording.step_numbers[:, [dataset.target_names.index(name) for name in outputs]].copy()


def _ahead_targets(recording: Recording, dataset: Dataset, spec: TaskSpec, outputs: tuple[str, ...]) -> Targets:
    channels = list(target_channels_of(dataset, spec, outputs))
    targets = np.full((recording.steps, len(channels)), np.nan, np.float32)
    targets[: -spec.horizon] = recording.series[spec.horizon :, channels]
    if spec.normal:
        # A forecast is judged by the sample it foretells, so that sample's label decides.
        normal = _is_normal(recording, spec.normal)
        targets[: -spec.horizon][~normal[spec.horizon :]] = np.nan
    return targets


def _is_normal(recording: Recording, normal: tuple[str, ...]) -> NDArray[np.bool_]:
    if recording.step_labels is not None:
        return np.isin(recording.step_labels, normal)
    if recording.label is not None:
        return np.full(recording.steps, recording.label in normal)
    raise DataError(f"{recording.name}: it has no label, so normal = {list(normal)} cannot be judged; label it")


_TARGETS: dict[str, Callable[[Recording, Dataset, TaskSpec, tuple[str, ...]], Targets]] = {
    "classify": _label_targets,
    "tag": _label_targets,
    "regress": _number_targets,
    "forecast": _ahead_targets,
    "anomaly": _ahead_targets,
}

_KNOWN_OUTPUTS: dict[str, Callable[[Dataset], tuple[str, ...]]] = {
    "classify": lambda dataset: dataset.labels(),
    "tag": lambda dataset: dataset.labels(),
    "regress": lambda dataset: dataset.target_names,
    "forecast": lambda dataset: dataset.channels,
    "anomaly": lambda dataset: dataset.channels,
}

_NO_OUTPUTS = {
    "classify": "no recording has a label; name the label column, put the files into folders by class, "
    "or let y of an NPZ hold whole numbers or texts",
    "tag": "no recording has labels; name the label column",
    "regress": "no recording has a numeric target; name the target columns",
}
