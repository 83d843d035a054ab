"""A bundle: the directory that leaves the workshop. Read here, checked as a whole before any part is used."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edge_lstm.architecture import this_architecture
from edge_lstm.errors import BundleError, EdgeLstmError
from edge_lstm.model import FloatModel, Interface
from edge_lstm.modelfile import Model, decode_model, interface_from_json, interface_to_json

SCHEMA = 1

MANIFEST = "manifest.json"
FLOAT_MODEL = "float.safetensors"
TFLITE_FUSED = "model_int8.tflite"
TFLITE_STEP = "model_step_int8.tflite"
TFLITE_FLOAT = "model_float32.tflite"
ONNX = "model.onnx"
KERAS = "model.keras"
C_FOLDER = "c"
NPU_FOLDER = "npu"
EDGE_TPU_FOLDER = "edgetpu"
GOLDEN = "golden/{arithmetic}.safetensors"
LIBRARY = "linux/{machine}/libedge_lstm_model.so"
PROGRAM = "linux/{machine}/edge-lstm-stream"
SHIM = "linux/edge_lstm_shim.py"

DEPLOYMENT = "deployment.json"
"""Beside the manifest on a board that was given only what it needs: ``{"schema": 1, "files": […], …}``."""

STEP_MODEL = "integer/step.safetensors"
"""The integers of the explicit-state file, which has a rounding of its own and is no stream's choice."""

MODEL_FILES = {
    "native": "integer/native.safetensors",
    "tflite": "integer/tflite.safetensors",
    "tflm": "integer/tflite.safetensors",
    "step": "integer/step.safetensors",
    "float": FLOAT_MODEL,
}
"""The model file behind each arithmetic, the preferred one first."""

_FIELDS = {
    "name": (str, "text"),
    **dict.fromkeys(("files", "arithmetics", "interface", "sizes", "accuracy", "tools"), (dict, "table")),
}
"""What a manifest must have besides ``schema``. ``arithmetics`` says which arithmetic each artefact computes."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose files are all present and unchanged. Parts are loaded when asked for.

    Args:
        path: its directory.
        manifest: the JSON of ``manifest.json``.
        interface: of every model in it.
        absent: files of the manifest that were not copied to this board.
    """

    path: Path
    manifest: dict[str, Any]
    interface: Interface
    absent: frozenset[str] = frozenset()

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Check every file of the bundle at ``path`` against its manifest, or every one that was deployed there.

        Raises:
            BundleError: if it is not a bundle of this schema, or a file is missing or changed.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        absent = _absent(path, manifest["files"])
        for name, stated in sorted(manifest["files"].items()):
            if name not in absent:
                _check_file(path, name, stated)
        return cls(path, manifest, _read_interface(path / MANIFEST, manifest["interface"]), absent)

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def accuracy(self) -> dict[str, Any]:
        """Metrics on the test part, under ``float``, ``native`` and ``tflite``."""
        return dict(self.manifest["accuracy"])

    @property
    def arithmetics(self) -> tuple[str, ...]:
        """What the bundle can be run in, the preferred one first."""
        return tuple(name for name, file in MODEL_FILES.items() if self.has(file))

    def has(self, name: str) -> bool:
        return name in self.manifest["files"] and name not in self.absent

    def file(self, name: str) -> Path:
        """The path of one of its files.

        Raises:
            BundleError: if the bundle has no such file.
        """
        if name in self.absent:
            raise BundleError(
                f"{self.path}: {name} was not deployed here; deploy the bundle again, --with what needs it"
            )
        if not self.has(name):
            raise BundleError(f"{self.path}: has no {name}; export it again")
        return self.path / name

    def digest(self, name: str) -> str:
        """sha256 of one of its files."""
        self.file(name)
        return str(self.manifest["files"][name]["sha256"])

    def model(self, arithmetic: str) -> Model:
        """The model behind an arithmetic: ``native``, ``tflite``, ``tflm`` (the same integers), ``step`` or ``float``.

        Raises:
            BundleError: if the bundle does not hold it.
        """
        if arithmetic not in self.arithmetics:
            raise BundleError(
                f"{self.path}: holds no arithmetic {arithmetic!r}; it holds {', '.join(self.arithmetics) or 'none'}"
            )
        return self.read_model(MODEL_FILES[arithmetic])

    def read_model(self, name: str) -> Model:
        """The model in one of its files.

        Raises:
            BundleError: if the bundle has no such file, or its manifest describes another interface.
        """
        file = self.file(name)
        model = decode_model(file.read_bytes(), str(file))
        if interface_to_json(model.interface) != interface_to_json(self.interface):
            raise BundleError(
                f"{self.path / MANIFEST}: 'interface' is not the one in {name}, so it was changed; "
                "export the bundle again"
            )
        return model

    @property
    def float_model(self) -> FloatModel:
        model = self.model("float")
        if not isinstance(model, FloatModel):
            raise BundleError(f"{self.path / FLOAT_MODEL}: is not a float model; export the bundle again")
        return model

    def golden(self, arithmetic: str) -> dict[str, Any]:
        """The golden vectors of an arithmetic, by name."""
        from safetensors.numpy import load_file

        return dict(load_file(self.file(GOLDEN.format(arithmetic=arithmetic))))

    def c_sources(self) -> dict[str, bytes]:
        """The C of the model and its kernels: file name → contents, without the projects around it."""
        names = [n for n in self.manifest["files"] if PurePosixPath(n).parent == PurePosixPath(C_FOLDER)]
        return {PurePosixPath(n).name: self.file(n).read_bytes() for n in names if n.endswith((".c", ".h"))}

    def library(self) -> Path:
        """The shared library for this machine.

        Raises:
            BundleError: if there is none.
        """
        names = [LIBRARY.format(machine=machine) for machine in _machines()]
        return self.file(next(filter(self.has, names), names[0]))


def _machines() -> list[str]:
    """Whose libraries run here, the best first. The one this computer compiled for itself has its own word for it."""
    machines = [this_architecture() or platform.machine(), platform.machine()]
    return [*machines, "armv6l"] if machines[0] == "armv7l" else machines


def compiled_from(name: str) -> str:
    """The TFLite file that a file in ``npu/`` was compiled from."""
    return PurePosixPath(name).name.replace("_vela.", ".")


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not path.is_dir():
        raise BundleError(f"{path}: is not a directory; give the folder that `edge-lstm export` wrote")
    if not file.is_file():
        raise BundleError(f"{path}: has no {MANIFEST}, so it is not a bundle; give the folder `edge-lstm export` wrote")
    try:
        manifest = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file}: is not JSON ({error}); export the bundle again") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        raise BundleError(f"{file}: bundle schema {found!r}, this version reads {SCHEMA}; export the bundle again")
    for key, (kind, words) in _FIELDS.items():
        if not isinstance(manifest.get(key), kind):
            raise BundleError(f"{file}: {key!r} is missing or is not a {words}; export the bundle again")
    return manifest


def _absent(path: Path, files: dict[str, Any]) -> frozenset[str]:
    """Files of the manifest that a deployment left out; none of a bundle that was not deployed."""
    file = path / DEPLOYMENT
    try:
        deployment = json.loads(file.read_bytes())
        if deployment["schema"] != 1 or not isinstance(deployment["files"], list):
            raise ValueError("of another schema")
        return frozenset(files) - frozenset(deployment["files"])
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{file}: cannot be read as a deployment ({error}); deploy the bundle again") from error


def _read_interface(file: Path, values: dict[str, Any]) -> Interface:
    try:
        return interface_from_json(values)
    except (KeyError, TypeError, ValueError, EdgeLstmError) as error:
        raise BundleError(f"{file}: 'interface' is incomplete or changed ({error}); export the bundle again") from error


def _check_file(path: Path, name: str, stated: Any) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise BundleError(f"{path / MANIFEST}: the file {name!r} lies outside the bundle; do not trust this bundle")
    if not isinstance(stated, dict) or {"sha256", "bytes"} - stated.keys():
        raise BundleError(f"{path / MANIFEST}: {name!r} lacks its sha256 or its bytes; export the bundle again")
    file = path / pure
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{file}: is in the manifest but cannot be read ({error.strerror}); copy or export the bundle again"
        ) from error
    if len(content) != stated["bytes"]:
        raise BundleError(
            f"{file}: has {len(content)} B, the manifest says {stated['bytes']} B; copy or export the bundle again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != stated["sha256"]:
        raise BundleError(
            f"{file}: was changed: sha256 {digest[:12]}…, the manifest says {str(stated['sha256'])[:12]}…; "
            "copy or export the bundle again"
        )
