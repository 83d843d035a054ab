"""What a user asks for: the data, the task and the split, as frozen values parsed once from ``edge-lstm.toml``.

Each class is one table of the project file, its fields are the table's keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from edge_lstm.datasets.front_end import FrontEnd
from edge_lstm.datasets.settings import Table, refuse_unknown
from edge_lstm.errors import ProjectError
from edge_lstm.model import TaskKind

Format = Literal["auto", "csv", "csv-folder", "npz", "wav"]
Missing = Literal["refuse", "hold", "interpolate"]
Gaps = Literal["refuse", "cut", "ignore"]
TimeUnit = Literal["s", "ms", "us", "ns"]
SplitBy = Literal["auto", "given", "group", "file", "time"]
At = Literal["step", "end"]


@dataclass(frozen=True)
class DataSpec(Table):
    """Where the recordings are and how to read them: the ``[data]`` table.

    Args:
        path: a file or a folder, relative to the project file.
        format: ``csv`` (one table), ``csv-folder`` (one file a recording, class folders), ``npz``, ``wav`` or ``auto``.
        features: columns that are channels; every column without another role when empty.
        label: column of labels.
        target: columns of numeric targets.
        group: column that says who or what was recorded.
        recording: column whose value tells recordings apart; the group column does when this is not given.
        split: column with ``train``, ``validation`` or ``test``.
        timestamp: column of times, or several joined by a space; a column called ``timestamp`` is found unasked.
        time_format: strptime format of the times; ISO 8601 or a number when not given.
        time_unit: unit of numeric times.
        rate_hz: samples a second; estimated from the times when not given.
        gaps: what to do where rows are missing by their times, or values for longer than ``max_gap``: ``refuse``,
            ``cut`` the recording there, or ``ignore`` the times and trust the order of the rows.
        missing: what to do with a missing value: ``refuse``, ``hold`` the last one (what a device can do too),
            or ``interpolate`` (which looks ahead, so a live stream cannot do the same). Missing targets stay missing.
        missing_value: a number that stands for a missing value, such as -200.
        max_gap: most steps in a row that ``missing`` may fill.
        separator: of the columns; found by itself when not given.
        decimal: decimal sign, ``.`` or ``,``.
        label_pattern: regular expression whose first group, searched in a file's name, is the label.
        group_pattern: the same for the group.
        front_end: audio front end of ``wav`` recordings.

    Raises:
        ProjectError: for a value outside its choices.
    """

    path: str | None = None
    format: Format = "auto"
    features: tuple[str, ...] = ()
    label: str | None = None
    target: tuple[str, ...] = ()
    group: str | None = None
    recording: str | None = None
    split: str | None = None
    timestamp: tuple[str, ...] = ()
    time_format: str | None = None
    time_unit: TimeUnit = "ms"
    rate_hz: float | None = None
    gaps: Gaps = "refuse"
    missing: Missing = "refuse"
    missing_value: float | None = None
    max_gap: int = 10
    separator: str | None = None
    decimal: str = "."
    label_pattern: str | None = None
    group_pattern: str | None = None
    front_end: FrontEnd | None = field(default=None, metadata={"table": FrontEnd})

    def __post_init__(self) -> None:
        for key, choices in (("format", Format), ("gaps", Gaps), ("missing", Missing), ("time_unit", TimeUnit)):
            refuse_unknown(key, getattr(self, key), get_args(choices))
        refuse_unknown("decimal", self.decimal, (".", ","))
        if self.max_gap < 0:
            raise ProjectError(f"max_gap is {self.max_gap} steps; give 0 or more")
        if self.rate_hz is not None and not 0 < self.rate_hz < float("inf"):
            raise ProjectError(f"rate_hz is {self.rate_hz}; give a positive number")
        if self.separator is not None and len(self.separator) != 1:
            raise ProjectError(f"separator is {self.separator!r}; give one character")
        for key in ("label_pattern", "group_pattern"):
            _refuse_pattern(key, getattr(self, key))
        for column in self.target:
            if column in (self.label, self.group, self.recording, self.split):
                raise ProjectError(f"column {column!r} is asked to be the target and something else; give it one role")


@dataclass(frozen=True)
class TaskSpec(Table):
    """What to learn: the ``[task]`` table.

    Args:
        kind: ``classify`` (one label a recording or a window), ``tag`` (a label a step), ``forecast`` (channels
            ``horizon`` steps ahead), ``regress`` (numbers a step, a window or a recording), ``anomaly``.
        window: steps of a window, predicted at its end; None lets the state run.
        stride: steps between the starts of training windows; a whole window when not given.
        horizon: steps ahead of a forecast.
        outputs: labels in their order, or the targets, or the channels to forecast; all of them when empty.
        at: ``regress`` without a window predicts at every ``step`` or at the ``end`` of the recording.
        chunk: steps of a training sequence cut from a longer recording when every step is predicted.
        normal: labels that are normal to an ``anomaly`` task; steps with another label bear no target.
        smoothing: weight of the newest residual in an anomaly score, in (0, 1].
        quantile: of the scores on normal recordings, above which a step is an anomaly.

    Raises:
        ProjectError: for a combination that has no meaning.
    """

    kind: TaskKind
    window: int | None = None
    stride: int | None = None
    horizon: int = 1
    outputs: tuple[str, ...] = ()
    at: At | None = None
    chunk: int = 256
    normal: tuple[str, ...] = ()
    smoothing: float = 0.1
    quantile: float = 0.995

    def __post_init__(self) -> None:
        refuse_unknown("kind", self.kind, get_args(TaskKind))
        refuse_unknown("at", self.at, (None, *get_args(At)))
        for key in ("window", "stride", "horizon", "chunk"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ProjectError(f"{key} is {value}; give at least 1 step")
        for rule in _TASK_RULES:
            if rule.broken(self):
                raise ProjectError(rule.message.format(kind=self.kind, horizon=self.horizon))
        if not 0 < self.smoothing <= 1:
            raise ProjectError(f"smoothing is {self.smoothing}; give a number in (0, 1]")
        if not 0 < self.quantile < 1:
            raise ProjectError(f"quantile is {self.quantile}; give a number in (0, 1)")

    @property
    def at_end(self) -> bool:
        """Whether a sequence bears its only target at its last step."""
        return self.window is not None or self.kind == "classify" or self.at == "end"


@dataclass(frozen=True)
class _Rule:
    broken: Callable[[TaskSpec], bool]
    message: str


_TASK_RULES = (
    _Rule(
        lambda t: t.window is not None and t.kind in ("tag", "anomaly"),
        "kind = '{kind}' predicts at every step and takes no window; remove window, or set chunk",
    ),
    _Rule(lambda t: t.stride is not None and t.window is None, "stride is given without a window; give both or none"),
    _Rule(lambda t: t.at is not None and t.kind != "regress", "at belongs to a regress task, not to {kind}; remove it"),
    _Rule(
        lambda t: t.at == "step" and t.window is not None,
        "a window is predicted at its end; remove window, or at = 'step'",
    ),
    _Rule(
        lambda t: t.horizon != 1 and t.kind != "forecast",
        "horizon is {horizon}, but kind = '{kind}' has none to choose; remove it",
    ),
    _Rule(
        lambda t: bool(t.normal) and t.kind != "anomaly", "normal belongs to an anomaly task, not to {kind}; remove it"
    ),
)


@dataclass(frozen=True)
class SplitSpec(Table):
    """How to part the recordings: the ``[split]`` table.

    Args:
        by: ``given`` (the recordings' own split), ``group``, ``file`` (each recording by itself), ``time`` (every
            recording cut in order of time), or ``auto``: the first of these that the data support.
        test: share of the test part, 0 for none; not used by ``given``.
        validation: share of the validation part, 0 for none.
        seed: of the draw.
        context: steps of history a part cut by ``time`` may take, without targets, from the part before it.

    Raises:
        ProjectError: for a share or a choice that is not usable.
    """

    by: SplitBy = "auto"
    test: float = 0.2
    validation: float = 0.15
    seed: int = 0
    context: int = 0

    def __post_init__(self) -> None:
        refuse_unknown("by", self.by, get_args(SplitBy))
        for key in ("test", "validation"):
            if not 0 <= getattr(self, key) < 1:
                raise ProjectError(f"{key} is {getattr(self, key)}; give a share of at least 0 and below 1")
        if self.test + self.validation >= 1:
            raise ProjectError(
                f"test {self.test} and validation {self.validation} leave nothing to train on; keep their sum below 1"
            )
        if self.seed < 0 or self.context < 0:
            raise ProjectError(f"seed is {self.seed} and context {self.context}; give 0 or more")


def _refuse_pattern(key: str, pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ProjectError(f"{key} {pattern!r} is not a regular expression: {error}; correct it") from error
    if groups < 1:
        raise ProjectError(f"{key} {pattern!r} has no group; put parentheses around the part that is meant")
