"""Back end ``tflite-runtime``: the interpreter for Raspberry Pi OS and other small Linux systems."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import MissingDependencyError
from edge_lstm.runtimes.base import not_usable
from edge_lstm.runtimes.explicit_state import ExplicitState
from edge_lstm.runtimes.lite_interpreter import StateInside, load

NAME = "tflite-runtime"
BUILT_FOR_NUMPY_1 = ("2.12.0", "2.13.0", "2.14.0")
"""The last on PyPI; others go on building newer ones."""


def tflite_runtime(model: bytes | Path) -> StateInside | ExplicitState:
    """A stream over a ``.tflite`` file or its bytes.

    Raises:
        MissingDependencyError: if it is not installed, or TensorFlow is already in this process.
        BundleError: if the file does not load.
    """
    found = package()
    return load(NAME, found.Interpreter, found.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, model)


def package() -> Any:
    """The interpreter's module.

    Raises:
        MissingDependencyError: as ``tflite_runtime``.
    """
    # Once TensorFlow is loaded, this wheel's interpreter binds to TensorFlow's symbols and corrupts memory.
    if "tensorflow" in sys.modules:
        raise MissingDependencyError(
            "tflite-runtime cannot run in a process that has imported TensorFlow; use a fresh process, or the back end "
            "litert"
        )
    try:
        import tflite_runtime as wheel

        # It would fail with its first model, after NumPy has filled the screen.
        if int(np.__version__.partition(".")[0]) > 1 and wheel.__version__ in BUILT_FOR_NUMPY_1:
            raise MissingDependencyError(
                f"the back end tflite-runtime is built for NumPy 1, this is {np.__version__}; "
                "pip install 'numpy<2', or use the back end litert"
            )
        from tflite_runtime import interpreter
    except ImportError as error:
        move = "pip install 'edge-lstm[tflite]' (Linux, Python 3.11), or use the back end litert"
        raise not_usable(NAME, move, error) from error
    return interpreter
