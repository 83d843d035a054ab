"""A bundle's files and the manifest over them. The same models give the same bytes."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from edge_lstm.bundle import (
    C_FOLDER,
    FLOAT_MODEL,
    GOLDEN,
    KERAS,
    MANIFEST,
    MODEL_FILES,
    NPU_FOLDER,
    ONNX,
    PROGRAM,
    SCHEMA,
    STEP_MODEL,
    TFLITE_FLOAT,
    TFLITE_FUSED,
    TFLITE_STEP,
    compiled_from,
)
from edge_lstm.errors import ExportError
from edge_lstm.integer import CArithmetic, NativeModel, TfliteModel
from edge_lstm.integer_step import StepModel
from edge_lstm.model import FloatModel
from edge_lstm.modelfile import encode_model, interface_to_json
from edge_lstm_export.c_source import write_c, write_c_float, write_c_tflm
from edge_lstm_export.golden import Golden, choose, encode_golden, golden
from edge_lstm_export.keras_model import keras_model, keras_obstacle
from edge_lstm_export.linux import LINUX_FILES, own_library
from edge_lstm_export.onnx_model import onnx_model
from edge_lstm_export.tflite import float_tflite, fused_tflite, step_tflite

Files = dict[str, bytes]
Recordings = Sequence[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Integers:
    """The integer models of one float model; ``tflite`` is None where TFLite has no fused op for a layer."""

    native: NativeModel
    tflite: TfliteModel | None
    step: StepModel


def int8_files(
    model: FloatModel,
    integers: Integers,
    recordings: Recordings,
    kernel_set_name: str = "portable",
    c_arithmetic: CArithmetic = "native",
) -> Files:
    """Everything in an int8 bundle but its manifest.

    Args:
        recordings: (T, C) physical, from which the golden vectors are chosen.
        kernel_set_name: of the C sources; the shared library has the kernels of this computer.
        c_arithmetic: of the C sources; the shared library is native.

    Raises:
        ExportError: if a format cannot hold the model.
        MissingDependencyError: if a writer or the C compiler is not installed.
    """
    with ThreadPoolExecutor(1) as pool:
        library = pool.submit(own_library, integers.native)  # the compiler is a process of its own
        chosen = choose(recordings, model.interface.task.window)
        vectors = {
            "native": golden(integers.native, None, chosen),
            "step": golden(integers.step, "tflite", chosen),
            "step-tflm": golden(integers.step, "tflm", chosen),
        }
        files = {
            FLOAT_MODEL: encode_model(model),
            MODEL_FILES["native"]: encode_model(integers.native),
            STEP_MODEL: encode_model(integers.step),
            TFLITE_STEP: step_tflite(integers.step),
        }
        if integers.tflite is not None:
            vectors |= {name: golden(integers.tflite, name, chosen) for name in ("tflite", "tflm")}
            files |= {
                MODEL_FILES["tflite"]: encode_model(integers.tflite),
                TFLITE_FUSED: fused_tflite(integers.tflite),
            }
        files |= _golden_files(vectors)
        if c_arithmetic == "tflm":
            if integers.tflite is None:
                raise ExportError(
                    "C in arithmetic tflm computes LSTM layers alone, and this model has others: "
                    f"{', '.join(layer.cell for layer in model.layers)}; leave out c_arithmetic"
                )
            sources = write_c_tflm(integers.tflite, kernel_set_name=kernel_set_name)
        else:
            sources = write_c(integers.native, kernel_set_name=kernel_set_name)
        return files | _c_files(sources) | library.result()


def float_files(model: FloatModel, recordings: Recordings) -> Files:
    """Everything in a float bundle but its manifest; see ``int8_files``. What Keras cannot hold has no Keras file."""
    chosen = choose(recordings, model.interface.task.window)
    files = {
        FLOAT_MODEL: encode_model(model),
        TFLITE_FLOAT: float_tflite(model),
        ONNX: onnx_model(model),
        **_golden_files({"float": golden(model, None, chosen)}),
    }
    keras = {KERAS: keras_model(model)} if keras_obstacle(model) is None else {}
    return files | keras | _c_files(write_c_float(model)) | own_library(model)


def _golden_files(vectors: Mapping[str, Golden]) -> Files:
    return {GOLDEN.format(arithmetic=name): encode_golden(arrays) for name, arrays in vectors.items()}


def _c_files(sources: Mapping[str, bytes]) -> Files:
    return {f"{C_FOLDER}/{name}": content for name, content in sources.items()}


def write_bundle(
    directory: Path,
    name: str,
    model: FloatModel,
    files: Files,
    c_state: int,
    accuracy: Mapping[str, Any],
    notes: Mapping[str, Any],
) -> dict[str, Any]:
    """Write files and the manifest over them into an empty directory; gives the manifest.

    Args:
        c_state: bytes of the state of one stream in C.
        accuracy: metrics by ``float``, ``native`` and ``tflite``.
        notes: more tables for the manifest, such as ``calibration`` and ``quantisation``.
    """
    manifest = {
        "schema": SCHEMA,
        "name": name,
        "files": {path: _stated(content) for path, content in files.items()},
        "arithmetics": _arithmetics(files),
        "interface": interface_to_json(model.interface),
        "sizes": sizes(model, files, c_state),
        "accuracy": dict(accuracy),
        "tools": _tools(),
        **notes,
    }
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
        if PurePosixPath(path).name == PurePosixPath(PROGRAM).name:
            (directory / path).chmod(0o755)
    text = json.dumps(manifest, sort_keys=True, indent=2, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def sizes(model: FloatModel, files: Files, c_state: int) -> dict[str, int]:
    """What a user compares with a board: parameters, file sizes, and the state of one stream in C, in bytes."""
    named = {
        "tflite": TFLITE_FUSED,
        "tflite_step": TFLITE_STEP,
        "tflite_float": TFLITE_FLOAT,
        "onnx": ONNX,
        "keras": KERAS,
    }
    return {
        "parameters": model.parameters,
        **{key: len(files[path]) for key, path in named.items() if path in files},
        "c_state": c_state,
        "bundle": sum(len(content) for content in files.values()),
    }


def _arithmetics(files: Files) -> dict[str, list[str]]:
    """Which arithmetic each artefact computes."""
    in_library = ["float"] if TFLITE_FLOAT in files else ["native"]
    in_c = ["tflm"] if f"{C_FOLDER}/el_tflm.c" in files else in_library
    known = {
        TFLITE_FUSED: ["tflite", "tflm"],
        TFLITE_STEP: ["step", "step-tflm"],
        TFLITE_FLOAT: ["float"],
        ONNX: ["float"],
        KERAS: ["float"],
        MODEL_FILES["native"]: ["native"],
        MODEL_FILES["tflite"]: ["tflite", "tflm"],
        STEP_MODEL: ["step", "step-tflm"],
        f"{C_FOLDER}/model.c": in_c,
    }
    in_linux = {path: in_library for path in files if PurePosixPath(path).name in LINUX_FILES}
    # Vela aims at the rounding of TensorFlow Lite Micro, the last of each list.
    on_npu = {path: known[compiled_from(path)][-1:] for path in files if path.startswith(f"{NPU_FOLDER}/")}
    return {path: known[path] for path in files if path in known} | in_linux | on_npu


def _stated(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


_PACKAGES = (
    *("edge-lstm", "numpy", "ai-edge-litert", "tflite-runtime", "tflite-micro", "onnx", "onnxruntime", "h5py", "keras"),
    "ethos-u-vela",
)


def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
