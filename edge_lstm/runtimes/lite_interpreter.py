"""What tflite-runtime and LiteRT share: the same Python interface over the same kernels, so one class runs both.

A fused file keeps its state in variable tensors, found by name; an explicit-state file takes and gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError, TargetError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State, fitting, read_tflite, where
from edge_lstm.runtimes.explicit_state import ExplicitState, TensorInfo
from edge_lstm.tensor_names import cell_state, hidden_state


class StateInside:
    """A fused model in a TFLite interpreter."""

    arithmetic: Arithmetic = "tflite"

    def __init__(self, name: str, interpreter: Any) -> None:
        self.name, self._interpreter = name, interpreter
        self._x = TensorInfo.of(interpreter.get_input_details()[0])
        self._y = TensorInfo.of(interpreter.get_output_details()[0])
        self._state = _state_tensors(interpreter)

    def reset(self) -> None:
        self._interpreter.reset_all_variables()

    def step(self, codes: Array) -> Array:
        x = fitting(codes, self._x.dtype, self._x.width, "a sample")
        self._interpreter.set_tensor(self._x.index, x.reshape(self._x.shape))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._y.index)).reshape(-1)

    def run(self, codes: Array) -> Array:
        steps = [self.step(sample) for sample in np.asarray(codes)]
        return np.array(steps, self._y.dtype).reshape(len(steps), self._y.width)

    def get_state(self) -> State:
        self._require_state()
        return tuple((self._read(h), self._read(c)) for h, c in self._state)

    def set_state(self, state: State) -> None:
        self._require_state()
        for index, (layer, values) in enumerate(zip(self._state, state, strict=True)):
            for part, value in zip(layer, values, strict=True):
                value = fitting(value, part.dtype, part.width, f"the state of layer {index}")
                self._interpreter.set_tensor(part.index, value.reshape(part.shape))

    def _read(self, tensor: TensorInfo) -> Array:
        return np.array(self._interpreter.get_tensor(tensor.index)).reshape(-1)

    def _require_state(self) -> None:
        if not self._state:
            raise BundleError(
                f"this file names no tensor {hidden_state(0)}: it was not written by edge-lstm, so {self.name} cannot "
                "read or set its state; export it anew"
            )


def load(
    name: str,
    interpreter_class: Any,
    resolver: Any,
    model: bytes | Path,
    delegates: Sequence[Any] = (),
    move: str = "export it anew",
) -> StateInside | ExplicitState:
    """A runtime over a file or its bytes.

    Args:
        delegates: for the operators that the interpreter has no kernels of.
        move: what to do about a model that does not load.

    Raises:
        BundleError: if the interpreter refuses the model.
    """
    content = read_tflite(model)
    try:
        interpreter = interpreter_class(
            model_content=content,
            num_threads=1,
            experimental_op_resolver_type=resolver,
            experimental_delegates=list(delegates),
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise BundleError(f"{name} cannot load {where(model)}: {_first_line(error)}; {move}") from error
    if len(interpreter.get_input_details()) > 1:
        return _explicit(name, interpreter)
    return StateInside(name, interpreter)


def _explicit(name: str, interpreter: Any) -> ExplicitState:
    inputs = [TensorInfo.of(details) for details in interpreter.get_input_details()]
    outputs = [TensorInfo.of(details) for details in interpreter.get_output_details()]

    def invoke(values: list[Array]) -> list[Array]:
        for tensor, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(tensor.index, value)
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise TargetError(
                f"{name} failed in a step: {_first_line(error)}; see that what it runs on is there"
            ) from error
        return [interpreter.get_tensor(tensor.index) for tensor in outputs]

    return ExplicitState(name, "tflite", inputs, outputs, invoke)


def _state_tensors(interpreter: Any) -> list[tuple[TensorInfo, TensorInfo]]:
    found = {details["name"]: details for details in interpreter.get_tensor_details()}
    layers: list[tuple[TensorInfo, TensorInfo]] = []
    while hidden_state(len(layers)) in found and cell_state(len(layers)) in found:
        index = len(layers)
        layers.append((TensorInfo.of(found[hidden_state(index)]), TensorInfo.of(found[cell_state(index)])))
    return layers


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
