"""The exported C on this computer, as a shared library. numpy and the standard library are all it needs."""

from __future__ import annotations

import ctypes
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError, InputError
from edge_lstm.integer import Arithmetic
from edge_lstm.model import GATES
from edge_lstm.runtimes.base import Array, State, fitting, layers_in_a_row
from edge_lstm.runtimes.said import STEP_BYTES, said_bytes

VERSION = 5
"""Of the interface in ``kernels/el_host.c``."""

_SHAPE = ("version", "floating", "channels", "outputs", "layers", "units", "state_bytes", "taps", "cells")
TAPPED = (*(f"{gate}_pre" for gate in GATES), *GATES)
"""Order of a layer's taps."""


class CLibrary:
    """One stream through the shared library of a model.

    Args:
        path: the library, made by ``compile_shared`` from ``host_sources``.

    ``arithmetic`` is ``native``; or, for a float model, ``float``, whose "codes" are scaled samples in float32.

    Raises:
        BundleError: if it cannot be loaded here, or is not such a library.
    """

    name = "c"

    def __init__(self, path: str | Path) -> None:
        self._begin(Path(path), _load(Path(path)))

    def another(self) -> CLibrary:
        """One more stream of the same model, in its zero state; the library is loaded once."""
        made = CLibrary.__new__(CLibrary)
        made._begin(self._path, self._library)
        return made

    def _begin(self, path: Path, library: _Library) -> None:
        floating = bool(library.shape["floating"])
        self.arithmetic: Arithmetic = "float" if floating else "native"
        self.channels, self.outputs = library.shape["channels"], library.shape["outputs"]
        self.has_taps = bool(library.shape["taps"])
        self._path, self._library = path, library
        self._code = np.dtype(np.float32 if floating else np.int16)
        self._cell = np.dtype(np.float32 if floating else np.int32)
        self._memory = np.zeros(library.shape["state_bytes"], np.uint8)
        self._calls, self._state_at = library.calls, _address(self._memory)
        # Bound once: most of a step's time is spent on the way to it.
        self._step, self._shape = library.step, (self.channels,)
        self._said = bytearray(library.said_bytes)
        self._y = np.frombuffer(self._said, self._code, self.outputs, STEP_BYTES)
        self._stream = ctypes.byref(_HostStream(self._state_at, _address_of(self._said)))
        self._h, self._c, self._taps = self._views()

    def reset(self) -> None:
        self._calls.el_host_reset(self._state_at)

    def step(self, codes: Any) -> Array:
        """(C,) → (O,)."""
        if not (type(codes) is np.ndarray and codes.dtype is self._code and codes.shape == self._shape):
            codes = self._fitting(np.asarray(codes))
        # ctypes hands bytes over as they are; asking an array for its address takes longer than a step.
        self._step(self._stream, codes.tobytes())
        return self._y.copy()

    def _fitting(self, codes: Array) -> Array:
        # As ``fitting``, several times faster on the few numbers of one sample.
        if codes.shape == self._shape and codes.dtype.kind == self._code.kind:
            cast = codes.astype(self._code)
            if self._code.kind == "f" or cast.astype(codes.dtype).tobytes() == codes.tobytes():
                return cast
        return fitting(codes, self._code, self.channels, "a step of the C library")

    def run(self, codes: Any) -> Array:
        """(T, C) → (T, O), in one call of a loop in C."""
        x = self._rows(codes, self._code, self.channels)
        y = np.empty((len(x), self.outputs), self._code)
        self._calls.el_host_run(self._state_at, _address(x), len(x), _address(y))
        return y

    def pushing(self, window: int | None, every_step: bool) -> Pushing:
        """A live stream's way through this library; see ``Pushing``."""
        return Pushing(self._library, self._state_at, window, every_step)

    def encode(self, physical: Any) -> Array:
        """(T, C) float32 physical samples → (T, C) codes, by the device's own encoder."""
        samples = self._rows(physical, np.dtype(np.float32), self.channels)
        codes = np.empty(samples.shape, self._code)
        self._calls.el_host_encode(_address(samples), _address(codes), len(samples))
        return codes

    def decode(self, codes: Any) -> Array:
        """(T, O) codes → (T, O) float32 logits, or targets in physical units, by the device's own decoder."""
        y = self._rows(codes, self._code, self.outputs)
        values = np.empty(y.shape, np.float32)
        self._calls.el_host_decode(_address(y), _address(values), len(y))
        return values

    def get_state(self) -> State:
        return tuple((h.copy(), c.copy()) for h, c in zip(self._h, self._c, strict=True))

    def set_state(self, state: State) -> None:
        if len(state) != len(self._h):
            raise InputError(f"the state has {len(state)} layers; {self._path} has {len(self._h)}")
        fitted = [
            (fitting(h, self._code, len(old_h), "a hidden state"), fitting(c, self._cell, len(old_c), "a cell state"))
            for (h, c), old_h, old_c in zip(state, self._h, self._c, strict=True)
        ]
        for (h, c), old_h, old_c in zip(fitted, self._h, self._c, strict=True):
            old_h[:], old_c[:] = h, c

    def trace(self, codes: Any) -> dict[tuple[int, str], Array]:
        """Run (T, C) and keep every tensor, by (layer, name), steps along the first axis.

        Names are those of ``edge_lstm.reference.trace``, so that the first difference names its step, layer and gate.

        Raises:
            InputError: if the library was not compiled with ``EL_TAP``.
        """
        if not self.has_taps:
            raise InputError(f"{self._path}: has no taps; compile it with compile_shared(sources, ['EL_TAP'])")
        kept: dict[tuple[int, str], list[Array]] = {}
        for x in self._rows(codes, self._code, self.channels):
            for key, value in self._traced_step(x).items():
                kept.setdefault(key, []).append(value)
        return {key: np.array(values) for key, values in kept.items()}

    def _traced_step(self, x: Array) -> dict[tuple[int, str], Array]:
        before = self.get_state()
        y = self.step(x)
        seen: dict[tuple[int, str], Array] = {}
        for layer, ((h, c), (h_before, _)) in enumerate(zip(self.get_state(), before, strict=True)):
            gates = dict(zip(TAPPED, self._taps[layer].copy(), strict=True))
            seen |= {(layer, name): a for name, a in {"x": x, "h_before": h_before, **gates, "c": c, "h": h}.items()}
            x = h
        seen[len(before), "y"] = y
        return seen

    def _views(self) -> tuple[list[Array], list[Array], list[Array]]:
        """Hidden and cell state and taps of each layer, in the memory of the state; see ``model.h``."""
        total, cells = self._library.shape["units"], self._library.shape["cells"]
        cell_bytes, code_bytes = cells * self._cell.itemsize, self._code.itemsize
        cell = self._memory[:cell_bytes].view(self._cell)
        codes = self._memory[cell_bytes : len(self._memory) // code_bytes * code_bytes].view(self._code)
        taps = codes[total : 9 * total] if self.has_taps else np.zeros(8 * total, self._code)
        spans = layers_in_a_row(self._library.units)
        tapped = [taps[8 * s.start : 8 * s.stop].reshape(8, -1) for s in spans]
        return [codes[s] for s in spans], [cell[s] for s in layers_in_a_row(self._library.cells)], tapped

    def _rows(self, values: Any, dtype: np.dtype[Any], width: int) -> Array:
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != width:
            raise InputError(f"the C library takes (steps, {width}), not {array.shape}")
        flat = fitting(array.reshape(-1), dtype, array.size, "a chunk") if array.size else array.astype(dtype)
        return np.ascontiguousarray(flat.reshape(array.shape))


class _HostStream(ctypes.Structure):
    """``el_host_stream`` of ``kernels/el_host.c``."""

    _fields_ = (
        ("state", ctypes.c_void_p),
        ("said", ctypes.c_void_p),
        ("step", ctypes.c_uint64),
        ("window", ctypes.c_uint32),
        ("at", ctypes.c_uint32),
        ("talkative", ctypes.c_uint32),
    )


class Pushing:
    """Samples of one integer stream, encoded, stepped and windowed in C: what ``Stream.push`` does, in one call.

    Args:
        state: address of the library's state.
    """

    def __init__(self, library: _Library, state: int, window: int | None, every_step: bool) -> None:
        self._said = bytearray(library.said_bytes)
        self._window = window or 1
        self._stream = _HostStream(state, _address_of(self._said), 0, window or 0, 0, every_step)
        self._stream_at, self._push = ctypes.byref(self._stream), library.push
        channels = library.shape["channels"]
        self._shape, self._pack = (channels,), struct.Struct(f"{channels}d").pack
        self.take: Callable[[Any], bytes | int] = library.builtin(self._stream) or self.convert
        """A list of numbers (C,) → what the stream says, 0 if nothing, no bytes for what is no such list."""

    def convert(self, sample: Any) -> bytes | int:
        """The same of a tuple, an array or, for one channel, a number."""
        kind = type(sample)
        try:
            if kind is list or kind is tuple:
                doubles = self._pack(*sample)
            elif kind is np.ndarray and sample.shape == self._shape and sample.dtype.kind in _REAL:
                doubles = sample.tobytes() if sample.dtype is _DOUBLE else sample.astype(_DOUBLE).tobytes()
            elif kind is float:
                doubles = self._pack(sample)
            else:
                return b""
        except struct.error:
            return b""
        due = self._push(self._stream_at, doubles)
        return bytes(self._said) if due > 0 else 0 if due == 0 else b""

    @property
    def step(self) -> int:
        """Index of the next sample."""
        return int(self._stream.step)

    @step.setter
    def step(self, step: int) -> None:
        self._stream.step, self._stream.at = step, step % self._window


_DOUBLE, _REAL = np.dtype(np.float64), frozenset("fiub")


class _Method(ctypes.Structure):
    """``PyMethodDef`` of Python's stable ABI."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("about", ctypes.c_char_p),
    )


_ONE_ARGUMENT = 8
"""``METH_O``."""


class _Library:
    """A loaded library, its shape read."""

    def __init__(self, calls: ctypes.CDLL) -> None:
        self.calls = calls
        # A step lasts microseconds, threads take turns every 5 ms: releasing the interpreter would only cost.
        holding = ctypes.PyDLL(None, handle=calls._handle)
        self.step, self.push = holding.el_host_step, holding.el_host_push
        self.step.restype = None
        values = (ctypes.c_int32 * len(_SHAPE)).in_dll(calls, "el_host_shape")
        self.shape = dict(zip(_SHAPE, values, strict=True))
        pointer, count = ctypes.c_void_p, ctypes.c_uint32
        for name, arguments in (
            ("el_host_reset", [pointer]),
            ("el_host_run", [pointer, pointer, count, pointer]),
            ("el_host_encode", [pointer, pointer, count]),
            ("el_host_decode", [pointer, pointer, count]),
        ):
            function = getattr(calls, name)
            function.argtypes, function.restype = arguments, None
        layers = range(self.shape["layers"])
        self.units = [int(calls.el_host_units(layer)) for layer in layers]
        self.cells = [int(calls.el_host_cells(layer)) for layer in layers]
        self.said_bytes = said_bytes(self.shape["outputs"], 4 if self.shape["floating"] else 2)
        function = getattr(holding, "el_host_push_list", None)
        self._method = (
            _Method(b"push", ctypes.cast(function, ctypes.c_void_p), _ONE_ARGUMENT, None) if function else None
        )

    def builtin(self, stream: _HostStream) -> Callable[[Any], bytes | int] | None:
        """``el_host_push_list`` as a function of Python; None for a Python or a system that has no such thing."""
        if self._method is None or sys.implementation.name != "cpython":
            return None
        api = ctypes.pythonapi
        api.PyCapsule_New.restype = api.PyCFunction_NewEx.restype = ctypes.py_object
        capsule = api.PyCapsule_New(ctypes.byref(stream), None, None)
        made: Callable[[Any], bytes | int] = api.PyCFunction_NewEx(
            ctypes.byref(self._method), ctypes.py_object(capsule), None
        )
        return made


_files_by_path: dict[Path, tuple[int, ...]] = {}
"""Which file was at a path when it was first loaded in this process."""


def _open(path: Path) -> ctypes.CDLL:
    """The library that is at ``path`` now."""
    path = path.resolve()
    status = path.stat()
    file = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    if _files_by_path.setdefault(path, file) == file:
        return ctypes.CDLL(str(path))
    # The loader knows libraries by their path: a bundle exported again would give the old model.
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        return ctypes.CDLL(shutil.copy(path, folder))


def _load(path: Path) -> _Library:
    try:
        library = _Library(_open(path))
    except OSError as error:
        raise BundleError(f"{path}: cannot be loaded on this computer: {error}; export the bundle here") from error
    except (AttributeError, ValueError) as error:
        raise BundleError(f"{path}: is not a model's library ({error}); export the bundle again") from error
    if library.shape["version"] != VERSION:
        raise BundleError(
            f"{path}: has interface {library.shape['version']}, this program reads {VERSION}; export the bundle again"
        )
    return library


def _address(array: Array) -> int:
    return int(array.ctypes.data)


def _address_of(memory: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))
