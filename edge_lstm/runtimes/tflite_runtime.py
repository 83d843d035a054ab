"""Back end ``tflite-runtime``: the interpreter for Raspberry Pi OS and other small Linux systems."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_lstm.errors import MissingDependencyError
from edge_lstm.runtimes.explicit_state import ExplicitState
from edge_lstm.runtimes.lite_interpreter import StateInside, load

NAME = "tflite-runtime"


def tflite_runtime(model: bytes | Path) -> StateInside | ExplicitState:
    """A stream over a ``.tflite`` file or its bytes.

    Raises:
        MissingDependencyError: if it is not installed, or TensorFlow is already in this process.
        BundleError: if the file does not load.
    """
    # Once TensorFlow is loaded, this wheel's interpreter binds to TensorFlow's symbols and corrupts memory.
    if "tensorflow" in sys.modules:
        raise MissingDependencyError(
            "tflite-runtime cannot run in a process that has imported TensorFlow; use a fresh process, or the back end "
            "litert"
        )
    try:
        from tflite_runtime.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise MissingDependencyError(
            "the back end tflite-runtime is not installed: pip install 'edge-lstm[tflite]' (Linux, Python 3.11), or "
            "use the back end litert"
        ) from error
    return load(NAME, Interpreter, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, model)
