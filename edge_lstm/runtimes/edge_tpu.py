"""Back end ``edgetpu``: the explicit-state model on a Coral Edge TPU, by the delegate in ``libedgetpu.so.1``.

It runs there or not at all. No Edge TPU was at hand when this was written: what is checked here is what is refused.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from pathlib import Path
from typing import Any

from edge_lstm.bundle import EDGE_TPU_FOLDER, Bundle
from edge_lstm.errors import BundleError, MissingDependencyError, TargetError
from edge_lstm.runtimes import litert, tflite_runtime
from edge_lstm.runtimes.explicit_state import ExplicitState
from edge_lstm.runtimes.lite_interpreter import StateInside, load
from edge_lstm.runtimes.tflite_operators import operators

NAME = "edgetpu"
LIBRARY = "libedgetpu.so.1"

CUSTOM = "edgetpu-custom-op"
"""What the compiler makes of all operators that it maps; no interpreter can run it without the delegate."""

MAPPED = "Mapped to Edge TPU"
"""The compiler's status of an operator that became part of it."""

_PLUGIN = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")


def edge_tpu(bundle: Bundle) -> StateInside | ExplicitState:
    """A stream over the file that was compiled for it.

    Raises:
        BundleError: if the bundle has none, or one that would run on the CPU where the compiler did not say so.
        MissingDependencyError: if the library or an interpreter is not installed.
        TargetError: if there is no Edge TPU.
    """
    file = compiled_file(bundle)
    require_mapped(bundle, file)
    package = _interpreter()
    _require_plugin()
    try:
        delegate = package.load_delegate(LIBRARY)
    except ValueError as error:
        said = str(error).strip().splitlines()[1:] or ["its library does not say why"]
        raise TargetError(
            f"no Edge TPU can be used: {said[0].strip()}; plug it in, check whether this user may use it, or choose "
            "another --backend"
        ) from error
    move = f"use the releases of {LIBRARY} and its compiler that belong together"
    resolver = package.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return load(NAME, package.Interpreter, resolver, file, [delegate], move)


def compiled_file(bundle: Bundle) -> Path:
    """The model that was compiled for an Edge TPU.

    Raises:
        BundleError: if there is none.
    """
    names = [name for name in sorted(bundle.manifest["files"]) if name.startswith(f"{EDGE_TPU_FOLDER}/")]
    if not names:
        raise BundleError(f"{bundle.path}: holds no model compiled for an Edge TPU; export it with --edgetpu")
    return bundle.file(names[0])


def require_mapped(bundle: Bundle, file: Path) -> None:
    """Refuse a file whose steps the CPU would take, but for what the compiler said it leaves there.

    Raises:
        BundleError: which operators those are.
    """
    held = operators(file)
    told = bundle.manifest.get(EDGE_TPU_FOLDER, {}).get("operators", ())
    left = Counter({name: count for name, count, status in told if status != MAPPED})
    if not held.pop(CUSTOM, 0):
        raise BundleError(
            f"{file}: nothing in it runs on an Edge TPU; export it with --edgetpu, or use another back end"
        )
    silently = held - left
    if silently:
        which = ", ".join(f"{count} {name}" for name, count in sorted(silently.items()))
        raise BundleError(
            f"{file}: {which} would run on the CPU, and its compiler did not say so; export it with --edgetpu again"
        )


def _interpreter() -> Any:
    """The interpreter's module; tflite-runtime is the one that Coral names."""
    try:
        return tflite_runtime.package()
    except MissingDependencyError:
        try:
            return litert.package()
        except MissingDependencyError as error:
            raise MissingDependencyError(
                "the back end edgetpu needs tflite-runtime or LiteRT, neither is installed; "
                "pip install 'edge-lstm[tflite]'"
            ) from error


def _require_plugin() -> None:
    """Look at the library first: where it does not load, interpreters leave a traceback behind."""
    install = "install Coral's Debian package libedgetpu1-std, or choose another --backend"
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        absent = f"{LIBRARY}: cannot open" in str(error)
        words = "is not installed, it drives the Edge TPU" if absent else f"does not load: {error}"
        raise MissingDependencyError(f"{LIBRARY} {words}; {install}") from error
    if not all(hasattr(library, name) for name in _PLUGIN):
        raise MissingDependencyError(f"{LIBRARY} is no delegate, it has no {_PLUGIN[0]}; {install}")
