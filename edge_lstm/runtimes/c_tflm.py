"""C of the arithmetic ``tflm`` on this computer: for verification, which is all a host needs it for."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from edge_lstm.errors import BundleError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State


class CTflmLibrary:
    """One stream through a shared library of ``write_c_tflm`` and ``el_host.c``.

    Raises:
        BundleError: if it cannot be loaded here.
    """

    name = "c"
    arithmetic: Arithmetic = "tflm"

    def __init__(self, path: Path) -> None:
        try:
            self._calls = ctypes.CDLL(str(path))
        except OSError as error:
            raise BundleError(f"{path}: cannot be loaded on this computer: {error}") from error
        shape = (ctypes.c_int32 * 9).in_dll(self._calls, "el_host_shape")
        self._channels, self._outputs, layers, self._total, state_bytes = shape[2:7]
        self._ends = np.cumsum([self._calls.el_host_units(layer) for layer in range(layers)])
        self._memory = np.zeros(state_bytes, np.uint8)
        self.reset()

    def reset(self) -> None:
        self._calls.el_host_reset(_pointer(self._memory))

    def step(self, codes: Array) -> Array:
        """(C,) → (O,)."""
        return np.asarray(self.run(np.asarray(codes)[None])[0])

    def run(self, codes: Array) -> Array:
        """(T, C) → (T, O), in one call of a loop in C."""
        x = np.ascontiguousarray(codes, np.int8).reshape(-1, self._channels)
        y = np.empty((len(x), self._outputs), np.int8)
        self._calls.el_host_run(_pointer(self._memory), _pointer(x), ctypes.c_uint32(len(x)), _pointer(y))
        return y

    def get_state(self) -> State:
        c, h = self._parts()
        return tuple(zip(np.split(h.copy(), self._ends[:-1]), np.split(c.copy(), self._ends[:-1]), strict=True))

    def set_state(self, state: State) -> None:
        c, h = self._parts()
        h[:], c[:] = (np.concatenate(own) for own in zip(*state, strict=True))

    def _parts(self) -> tuple[Array, Array]:
        """Cell and hidden state of all layers, in the memory of the state; see ``model.h``."""
        cell_bytes = 2 * self._total
        return self._memory[:cell_bytes].view(np.int16), self._memory[cell_bytes : 3 * self._total].view(np.int8)


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
