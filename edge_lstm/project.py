"""The project file, ``edge-lstm.toml``, as one frozen value. It makes every flag of the command line optional."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from edge_lstm.architecture import ARCHITECTURES
from edge_lstm.datasets.scaling import ScalingKind
from edge_lstm.datasets.settings import Table, refuse_unknown, suggestion
from edge_lstm.datasets.spec import DataSpec, SplitSpec, TaskSpec
from edge_lstm.errors import ProjectError
from edge_lstm.integer import CArithmetic, Scheme
from edge_lstm.streaming.gaps import ResetRule
from edge_lstm.streaming.live import Queueing, WhenFull
from edge_lstm.streaming.policy import Malformed, Missing, Policy, Range
from edge_lstm.training.spec import TrainingSpec

PROJECT_FILE = "edge-lstm.toml"

LONGEST_NAME = 200
"""Bytes: file systems take 255, of which suffixes need some."""

NO_LINUX = "none"

Observer = Literal["min-max", "percentile", "mse", "entropy"]
Constant = Literal["refuse", "keep"]


@dataclass(frozen=True)
class ScalingSpec(Table):
    """How inputs and numeric targets are scaled before the network sees them: the ``[scaling]`` table.

    Args:
        inputs: ``standard``, ``min-max``, ``robust`` or ``none``; fitted on the training part alone.
        targets: the same for numeric targets; forecasts take the scaling of the channels they foretell.
        constant: what to do with a channel that never changes in training: ``refuse``, or ``keep`` it with scale 1.

    Raises:
        ProjectError: for a value outside its choices.
    """

    inputs: ScalingKind = "standard"
    targets: ScalingKind = "standard"
    constant: Constant = "refuse"

    def __post_init__(self) -> None:
        refuse_unknown("inputs", self.inputs, get_args(ScalingKind))
        refuse_unknown("targets", self.targets, get_args(ScalingKind))
        refuse_unknown("constant", self.constant, get_args(Constant))


@dataclass(frozen=True)
class ExportSpec(Table):
    """What a bundle holds: the ``[export]`` table.

    Args:
        int8: quantise; otherwise the float bundle is written.
        scheme: of the native arithmetic: ``w8a16`` (int16 activations) or ``w8a8``.
        observer: how ranges are drawn from what calibration saw: ``min-max``, ``percentile``, ``mse`` or ``entropy``.
        percentile: of the values an observer ``percentile`` keeps, in (50, 100].
        calibration: most training recordings to replay, spread evenly over them.
        npu: Ethos-U to compile the TFLite files for with Vela, such as ``ethos-u55-128``.
        edgetpu: compile the explicit-state file with ``edgetpu_compiler``; unchecked.
        board: whose kernels ``c/`` gets: a name, or the path of a ``.toml``; left out, portable ones.
        c_arithmetic: what ``c/`` computes: ``native``, or ``tflm`` for the bytes of TensorFlow Lite Micro.
        linux: architectures of Linux boards that get a library and a program: ``x86_64``, ``aarch64``, ``armv7l``,
            ``armv6l``, or ``none``; left out, all of them, unless the board is a microcontroller's or zig is missing.

    Raises:
        ProjectError: for a value outside its choices.
    """

    int8: bool = False
    scheme: Scheme = "w8a16"
    observer: Observer = "percentile"
    percentile: float = 99.99
    calibration: int = 1000
    npu: str = ""
    edgetpu: bool = False
    board: str = ""
    c_arithmetic: CArithmetic = "native"
    linux: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_unknown("scheme", self.scheme, get_args(Scheme))
        refuse_unknown("observer", self.observer, get_args(Observer))
        refuse_unknown("c_arithmetic", self.c_arithmetic, get_args(CArithmetic))
        if not 50 < self.percentile <= 100:
            raise ProjectError(f"percentile is {self.percentile}; give a number above 50, up to 100")
        if self.calibration < 1:
            raise ProjectError(f"calibration is {self.calibration} recordings; give at least 1")
        if self.board and not self.int8:
            raise ProjectError(f"board {self.board!r} runs integers; export with --int8 for it")
        if self.c_arithmetic != "native" and not self.int8:
            raise ProjectError(f"c_arithmetic {self.c_arithmetic!r} is of integers; export with --int8 for it")
        for name in self.linux or ():
            refuse_unknown("linux", name, (*ARCHITECTURES, NO_LINUX))
        if self.architectures and not self.int8:
            raise ProjectError(f"linux {self.architectures[0]!r} runs integers; export with --int8 for it")
        if (self.npu or self.edgetpu) and not self.int8:
            raise ProjectError(f"{self.npu or 'the Edge TPU'} runs int8 models alone; export with --int8 for it")

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those asked for by name, each once."""
        return tuple(name for name in ARCHITECTURES if name in (self.linux or ()))


@dataclass(frozen=True)
class StreamSpec(Table):
    """How ``edge-lstm stream`` runs when no flag says otherwise: the ``[stream]`` table.

    Args:
        backend: ``auto``, ``reference``, ``c``, ``tflite-runtime``, ``litert``, ``tflm`` or ``edgetpu``.
        format: ``text`` or ``json``.
        missing: a missing value, or one that is not finite: ``refuse`` it, ``hold`` the channel's last one (for at most
            ``max_gap`` samples) or ``skip`` the sample; ``hold`` when the training data were held, else ``refuse``.
        range: a value beyond the calibrated range: ``clamp`` it as the input codes do, and count it, or ``refuse`` it.
        range_factor: how many times half the calibrated range a value may lie from its middle before it is refused.
        malformed: a line that is no sample: ``refuse`` it, or ``skip`` and count it.
        reset: when the stream begins anew: ``never``, ``gap > MS`` by the samples' times, or ``every N`` steps.
        queue: samples that may wait where the oldest gives way.
        when_full: ``block`` lets the source wait, ``drop-oldest`` drops and counts the oldest sample; left out, pipes,
            files and connections wait, sensors (UDP, MQTT, serial, IIO) do not.
    """

    backend: str = "auto"
    format: Literal["text", "json"] = "text"
    missing: Missing | None = None
    range: Range = "clamp"
    range_factor: float = 1.0
    malformed: Malformed = "refuse"
    reset: str = "never"
    queue: int = 64
    when_full: WhenFull | None = None

    def __post_init__(self) -> None:
        refuse_unknown("format", self.format, ("text", "json"))
        policy = {key: getattr(self, key) for key in ("range", "range_factor", "malformed")}
        Policy(self.missing or "refuse", **policy)
        ResetRule.parse(self.reset)
        Queueing(self.queue, self.when_full)


@dataclass(frozen=True)
class Project:
    """Everything a project file says, checked.

    Args:
        folder: where it lies; ``data.path`` and the outputs are relative to it.
        name: of the model and its bundle; the folder's name when the file gives none.
        model_keys: those of the ``[model]`` table that the file gives; what a model to start from may not gainsay.
    """

    folder: Path
    name: str
    data: DataSpec
    task: TaskSpec
    split: SplitSpec
    scaling: ScalingSpec
    training: TrainingSpec
    export: ExportSpec
    stream: StreamSpec
    model_keys: tuple[str, ...] = ()

    @property
    def model_file(self) -> Path:
        """Where ``train`` writes the float model."""
        return self.folder / "build" / f"{self.name}.safetensors"

    @property
    def bundle_folder(self) -> Path:
        """Where ``export`` writes the bundle."""
        return self.folder / "build" / self.name

    def asking(self, **tables: Mapping[str, Any]) -> Project:
        """The same project with what the command line asked for; a value of None asks for nothing.

        Raises:
            ProjectError: if a value is outside its choices.
        """
        asked = {
            name: replace(getattr(self, name), **{key: value for key, value in values.items() if value is not None})
            for name, values in tables.items()
        }
        return replace(self, **asked)


_TABLES: dict[str, type[Table]] = {
    "data": DataSpec,
    "task": TaskSpec,
    "split": SplitSpec,
    "scaling": ScalingSpec,
    "export": ExportSpec,
    "stream": StreamSpec,
}
_TRAINING = ("model", "training")
_REQUIRED = ("data", "task")


def load_project(path: str | Path = PROJECT_FILE) -> Project:
    """Read a project file, or the ``edge-lstm.toml`` in a folder.

    Raises:
        ProjectError: if it cannot be read, is not TOML, or a table, key or value is not known.
    """
    path = Path(path)
    file = path / PROJECT_FILE if path.is_dir() else path
    try:
        content = tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise ProjectError(
            f"{file}: cannot be read ({error.strerror}); run `edge-lstm init DIR`, or give --project PATH"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file}: is not TOML: {error}; correct it there") from error
    return parse_project(content, file)


def parse_project(content: Mapping[str, Any], file: Path) -> Project:
    """The project in the parsed content of ``file``.

    Raises:
        ProjectError: if a table, key or value is missing, unknown or of the wrong type.
    """
    known = ("name", *_TABLES, *_TRAINING)
    for key, value in content.items():
        if key not in known:
            raise ProjectError(f"{file}: table or key {key!r} is not known; {suggestion(key, known)}")
        if key != "name" and not isinstance(value, Mapping):
            raise ProjectError(f"{file}: {key} is {value!r}, not a table; write [{key}] on a line of its own")
    for key in _REQUIRED:
        if key not in content:
            raise ProjectError(f"{file}: table [{key}] is missing; add it")
    folder = file.absolute().parent
    tables = {key: cls.from_table(content.get(key, {}), f"{file} [{key}]") for key, cls in _TABLES.items()}
    training = TrainingSpec.from_table({key: content[key] for key in _TRAINING if key in content}, str(file))
    name, model_keys = _name(content.get("name", folder.name), file), tuple(content.get("model", ()))
    return Project(folder, name, training=training, model_keys=model_keys, **tables)  # type: ignore[arg-type]  # each table has its class


def _name(value: Any, file: Path) -> str:
    if not isinstance(value, str) or not _can_name_a_file(value):
        raise ProjectError(
            f'{file}: name is {value!r}; give a text that can name a file, such as "gestures", of at most '
            f"{LONGEST_NAME} bytes"
        )
    return value


def _can_name_a_file(text: str) -> bool:
    plain = text.isprintable() and text == text.strip() and not set(text) & set('/\\:*?"<>|')
    return plain and not text.startswith(".") and 1 <= len(text.encode()) <= LONGEST_NAME
