"""A stream over a model that owns no state: inputs ``x, h0, c0, h1, …``, outputs ``y`` and the new states.

In and out of a state have one quantisation, so the loop copies bytes and nothing else. A layer takes what it carries: a
simple RNN no c, so its state is (h, h), as everywhere; a dense layer nothing, and its h is what it gave last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State, fitting
from edge_lstm.tensor_names import BESIDE_HIDDEN, NEW, cell_state, hidden_state


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
        inputs: ``x`` first, then the states that it takes.
        outputs: ``y`` first, then the new states, layer by layer, by name.
        invoke: values of the inputs → values of the outputs.

    Raises:
        BundleError: if states that come in and go out do not fit together.
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
        self._x, *taken = inputs
        self._y, *self._parts = outputs
        names = [part.name.removesuffix(NEW) for part in self._parts]
        self._layers = _layers(names, name)
        if not {part.name for part in taken} <= set(names):
            raise BundleError(f"{name} takes a state that it does not give; export the model anew")
        self._taken = [names.index(part.name) for part in taken]
        if [part.shape for part in taken] != [self._parts[index].shape for index in self._taken]:
            raise BundleError(f"the states that {name} takes and gives differ in shape; export the model anew")
        self._invoke = invoke
        self._state: list[Array] = []
        self.reset()

    def reset(self) -> None:
        self._state = [np.full(part.shape, part.zero, part.dtype) for part in self._parts]

    def step(self, codes: Array) -> Array:
        x = fitting(codes, self._x.dtype, self._x.width, "a sample").reshape(self._x.shape)
        y, *state = self._invoke([x, *(self._state[index] for index in self._taken)])
        self._state = [np.array(value).reshape(part.shape) for value, part in zip(state, self._parts, strict=True)]
        return np.asarray(y).reshape(-1)

    def run(self, codes: Array) -> Array:
        steps = [self.step(sample) for sample in np.asarray(codes)]
        return np.array(steps, self._y.dtype).reshape(len(steps), self._y.width)

    def get_state(self) -> State:
        flat = [value.reshape(-1) for value in self._state]
        return tuple((flat[h].copy(), np.concatenate([flat[k] for k in rest])) for h, rest in self._layers)

    def set_state(self, state: State) -> None:
        for (h, rest), (h_value, c_value) in zip(self._layers, state, strict=True):
            ends = np.cumsum([self._parts[index].width for index in rest])
            values = np.split(np.asarray(c_value), ends[:-1])
            # Where c is h, what was given for c says nothing new; h goes in last.
            for index, value in (*zip(rest, values, strict=True), (h, h_value)):
                part = self._parts[index]
                checked = fitting(value, part.dtype, part.width, f"the state {part.name}")
                self._state[index] = checked.reshape(part.shape)


def _layers(names: Sequence[str], who: str) -> list[tuple[int, list[int]]]:
    """Where h of each layer is among the states, and what makes up its c; a layer without any has h in its place."""
    layers: list[tuple[int, list[int]]] = []
    while hidden_state(len(layers)) in names:
        h = names.index(hidden_state(len(layers)))
        others = [name(len(layers)) for name in BESIDE_HIDDEN]
        layers.append((h, [names.index(name) for name in others if name in names] or [h]))
    if {index for h, rest in layers for index in (h, *rest)} != set(range(len(names))):
        raise BundleError(
            f"the model gives {', '.join(names)}, {who} looks for {hidden_state(0)}, {cell_state(0)}, "
            f"{hidden_state(1)}, …; export it anew"
        )
    return layers
