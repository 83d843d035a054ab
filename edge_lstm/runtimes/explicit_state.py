"""A stream over a model that owns no state: inputs ``x, h0, c0, h1, …``, outputs ``y`` and the new states.

In and out of a state have one quantisation, so the loop copies bytes and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State, fitting


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of an interpreter: where it is and what it holds."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: Any
    zero: int

    @classmethod
    def of(cls, details: Any) -> TensorInfo:
        """From the details dictionary that TFLite's interpreters give."""
        shape = tuple(int(n) for n in details["shape"])
        zeros = details["quantization_parameters"]["zero_points"]
        return cls(details["name"], int(details["index"]), shape, details["dtype"], int(zeros[0]) if len(zeros) else 0)

    @property
    def width(self) -> int:
        return int(np.prod(self.shape))


class ExplicitState:
    """An explicit-state model and the state it was last given back.

    Args:
        inputs: ``x`` first, then h and c of each layer.
        outputs: ``y`` first, then the new state in the order of the inputs.
        invoke: values of the inputs → values of the outputs.
    """

    def __init__(
        self,
        name: str,
        arithmetic: Arithmetic,
        inputs: Sequence[TensorInfo],
        outputs: Sequence[TensorInfo],
        invoke: Callable[[list[Array]], list[Array]],
    ) -> None:
        self.name, self.arithmetic = name, arithmetic
        self._x, *self._parts = inputs
        self._y, *new_parts = outputs
        if [part.shape for part in new_parts] != [part.shape for part in self._parts]:
            raise BundleError(f"the states that {name} takes and gives differ in shape; export the model anew")
        self._invoke = invoke
        self._state: list[Array] = []
        self.reset()

    def reset(self) -> None:
        self._state = [np.full(part.shape, part.zero, part.dtype) for part in self._parts]

    def step(self, codes: Array) -> Array:
        x = fitting(codes, self._x.dtype, self._x.width, "a sample").reshape(self._x.shape)
        y, *state = self._invoke([x, *self._state])
        self._state = [np.array(value).reshape(part.shape) for value, part in zip(state, self._parts, strict=True)]
        return np.asarray(y).reshape(-1)

    def run(self, codes: Array) -> Array:
        steps = [self.step(sample) for sample in np.asarray(codes)]
        return np.array(steps, self._y.dtype).reshape(len(steps), self._y.width)

    def get_state(self) -> State:
        flat = [value.reshape(-1).copy() for value in self._state]
        return tuple(zip(flat[::2], flat[1::2], strict=True))

    def set_state(self, state: State) -> None:
        flat = [value for layer in state for value in layer]
        self._state = [
            fitting(value, part.dtype, part.width, f"the state {part.name}").reshape(part.shape)
            for part, value in zip(self._parts, flat, strict=True)
        ]
