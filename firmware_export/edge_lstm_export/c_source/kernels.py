"""The hand-written C files that travel with a model."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

NATIVE_FILES = (
    *("el_codec.c", "el_codec.h", "el_native.c", "el_native.h", "el_port.h"),
    *("el_softmax.c", "el_softmax.h"),
)
TFLM_FILES = (
    *("el_codec.c", "el_codec.h", "el_port.h"),
    *("el_tflm.c", "el_tflm.h", "el_tflm_math.h", "el_tflm_sigmoid.c"),
)
FLOAT_FILES = ("el_float.c", "el_float.h", "el_float_math.h", "el_port.h")
"""Of every float model; each cell adds one of its own."""
HOST_FILE = "el_host.c"


def kernel_files(names: Iterable[str]) -> dict[str, bytes]:
    """The contents of files of ``kernels/``, by name."""
    folder = files("edge_lstm_export") / "kernels"
    return {name: (folder / name).read_bytes() for name in names}
