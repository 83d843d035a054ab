"""Back end ``tflm``: TensorFlow Lite Micro's reference kernels on the host, from the wheel ``tflite-micro``.

Its state can be read but not written: the interpreter hands out copies of its variable tensors.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State, fitting, not_usable, read_tflite, where
from edge_lstm.runtimes.explicit_state import ExplicitState, TensorInfo
from edge_lstm.tensor_names import cell_state, hidden_state

NAME = "tflm"

# The wrapper's default of ten times the file is too small for tiny models, whose bookkeeping outweighs the weights.
_ARENA_TIMES_FILE, _ARENA_FLOOR = 10, 1 << 17


class MicroStateInside:
    """A fused model in the micro interpreter."""

    name = NAME
    arithmetic: Arithmetic = "tflm"

    def __init__(self, interpreter: Any, state: list[tuple[int, int]]) -> None:
        self._interpreter, self._state = interpreter, state
        self._x, self._y = _info(interpreter.get_input_details(0)), _info(interpreter.get_output_details(0))

    def reset(self) -> None:
        self._interpreter.reset()

    def step(self, codes: Array) -> Array:
        x = fitting(codes, self._x.dtype, self._x.width, "a sample")
        self._interpreter.set_input(x.reshape(self._x.shape), 0)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_output(0)).reshape(-1)

    def run(self, codes: Array) -> Array:
        steps = [self.step(sample) for sample in np.asarray(codes)]
        return np.array(steps, self._y.dtype).reshape(len(steps), self._y.width)

    def get_state(self) -> State:
        return tuple((self._read(h), self._read(c)) for h, c in self._state)

    def set_state(self, _state: State) -> None:
        """Refuse: there is no way in.

        Raises:
            BundleError: always.
        """
        raise BundleError(
            "tflm cannot set the state of a fused model: its Python interpreter hands out copies; replay the stream "
            "from its start, or use the back end litert or the explicit-state file"
        )

    def _read(self, index: int) -> Array:
        return np.asarray(self._interpreter.GetTensor(index, 0)["tensor_data"]).reshape(-1).copy()


def tflm(model: bytes | Path) -> MicroStateInside | ExplicitState:
    """A stream over a ``.tflite`` file or its bytes.

    Raises:
        MissingDependencyError: if it is not installed.
        BundleError: if the file does not load.
    """
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as error:
        raise not_usable(NAME, "pip install 'edge-lstm[micro]' (Linux on x86-64)", error) from error
    content = read_tflite(model)
    try:
        graph = runtime.convert_bytearray_to_object(content).subgraphs[0]
        interpreter = runtime.Interpreter.from_bytes(
            content,
            arena_size=max(_ARENA_TIMES_FILE * len(content), _ARENA_FLOOR),
            # The other configuration lets tensors share memory and refuses to show them.
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )
    except (RuntimeError, struct.error) as error:
        raise BundleError(f"tflm cannot load {where(model)}: {error}; export it anew") from error
    if len(graph.inputs) > 1:
        return _explicit(interpreter, graph)
    return MicroStateInside(interpreter, _state_indices(graph, model))


def _explicit(interpreter: Any, graph: Any) -> ExplicitState:
    names = [tensor.name.decode() for tensor in graph.tensors]
    inputs = [_info(interpreter.get_input_details(k), names[index]) for k, index in enumerate(graph.inputs)]
    outputs = [_info(interpreter.get_output_details(k), names[index]) for k, index in enumerate(graph.outputs)]

    def invoke(values: list[Array]) -> list[Array]:
        for k, value in enumerate(values):
            interpreter.set_input(value, k)
        interpreter.invoke()
        return [interpreter.get_output(k) for k in range(len(outputs))]

    return ExplicitState(NAME, "tflm", inputs, outputs, invoke)


def _state_indices(graph: Any, model: bytes | Path) -> list[tuple[int, int]]:
    """Indices come from the file: asking the interpreter for a tensor that has no memory ends the process."""
    found = {tensor.name.decode(): index for index, tensor in enumerate(graph.tensors) if tensor.isVariable}
    layers: list[tuple[int, int]] = []
    while hidden_state(len(layers)) in found and cell_state(len(layers)) in found:
        layers.append((found[hidden_state(len(layers))], found[cell_state(len(layers))]))
    if not layers:
        raise BundleError(
            f"{where(model)} names no tensor {hidden_state(0)}: it was not written by edge-lstm; export it anew"
        )
    return layers


def _info(details: Any, name: str = "") -> TensorInfo:
    zeros = details["quantization_parameters"]["zero_points"]
    shape = tuple(int(n) for n in details["shape"])
    return TensorInfo(name, -1, shape, details["dtype"], int(zeros[0]) if len(zeros) else 0)
