"""Trained networks of other programs, by their weights alone: no code of a file is ever run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Chain
from edge_lstm.importers.keras_file import read_h5, read_keras
from edge_lstm.importers.limits import refuse_large
from edge_lstm.importers.onnx_file import read_onnx
from edge_lstm.importers.saved_model import read_saved_model
from edge_lstm.importers.tflite_file import read_tflite
from edge_lstm.importers.torch_file import read_pt, read_safetensors

READERS: dict[str, Callable[[Path], Chain]] = {
    ".keras": read_keras,
    ".h5": read_h5,
    ".hdf5": read_h5,
    ".onnx": read_onnx,
    ".tflite": read_tflite,
    ".safetensors": read_safetensors,
    ".pt": read_pt,
    ".pth": read_pt,
}
"""The ending of a file's name → what reads it."""


def read(path: Path) -> Chain:
    """What a file holds, from its input to its output.

    Raises:
        ModelError: if it cannot be read; what is read and cannot be taken is an obstacle in the chain instead.
        MissingDependencyError: if the library of its format is not installed.
    """
    if path.is_dir():
        return read_saved_model(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path}: its ending {path.suffix!r} is not known; give a file of {', '.join(READERS)}")
    refuse_large(path)
    return reader(path)
