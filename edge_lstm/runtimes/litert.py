"""Back end ``litert``: Google's successor of TFLite's interpreter, for every current Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_lstm.runtimes.base import not_usable
from edge_lstm.runtimes.explicit_state import ExplicitState
from edge_lstm.runtimes.lite_interpreter import StateInside, load

NAME = "litert"


def litert(model: bytes | Path) -> StateInside | ExplicitState:
    """A stream over a ``.tflite`` file or its bytes.

    Raises:
        MissingDependencyError: if it is not installed.
        BundleError: if the file does not load.
    """
    found = package()
    # By default XNNPACK takes the dense head and rounds it in float32; the plain kernels round as tflite-runtime does.
    return load(NAME, found.Interpreter, found.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, model)


def package() -> Any:
    """The interpreter's module.

    Raises:
        MissingDependencyError: if it is not installed.
    """
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise not_usable(NAME, "pip install 'edge-lstm[tflite]'", error) from error
    return interpreter
