"""Recurrent cells in graphs of plain operators: a step written out as what it computes of its input and its state.

A converter that has no operator for a cell writes its products, gates and sums one by one, in a loop or step after
step, and shares, splits and reorders them as it likes. So the operators are carried out on expressions: what is linear
is kept as its matrices, and what is left must be the equation of a cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.model import (
    FastGrnnWeights,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnActivation,
    RnnWeights,
)

Key = Hashable

NO_CELL = "is a loop whose body is no LSTM or GRU of tanh and sigmoid, nor an RNN of tanh or relu; train one"


@dataclass(frozen=True, eq=False)
class Linear:
    """Sum of matrices times what keys stand for, plus a constant; all of ``width`` numbers.

    Args:
        terms: key → (width, numbers of the key); None is the identity.
        constant: (width,), or one number.
    """

    width: int
    terms: dict[Key, Array | None]
    constant: Array


@dataclass(frozen=True, eq=False)
class Squashed:
    """``sigmoid``, ``tanh`` or ``relu`` of something."""

    name: str
    of: Expression


@dataclass(frozen=True, eq=False)
class Sum:
    """Of two of which at least one is not linear."""

    one: Expression
    other: Expression


@dataclass(frozen=True, eq=False)
class Product:
    """Number by number."""

    one: Expression
    other: Expression


Expression = Linear | Squashed | Sum | Product


@dataclass(frozen=True, eq=False)
class Step:
    """A step of a cell.

    Args:
        weights: of its linear parts in ``x`` and ``h``.
        x: key of its input.
        h: key of the hidden state before; None if this step starts from zero and does not show it.
        cell: the new cell state; None of a cell that has none.
        cell_before: the one before; None where it is zero and does not show.
    """

    weights: RecurrentWeights
    x: Key
    h: Key
    cell: Expression | None = None
    cell_before: Expression | None = None


def leaf(key: Key, width: int) -> Linear:
    """What a key stands for, itself; a width of 0 is not known, and the first matrix tells it."""
    if width:
        _refuse_wide(width)
    return Linear(width, {key: None}, np.zeros(1))


def constant(values: Array) -> Linear:
    return Linear(values.size, {}, np.asarray(values, np.float64).ravel())


def _refuse_wide(width: int) -> None:
    # Four gates side by side are the widest there is.
    if not 1 <= width <= 4 * MOST_UNITS:
        raise ModelError(f"has a tensor of {width:,} numbers a step, the limit is {4 * MOST_UNITS:,}")


class Algebra:
    """Operators on expressions. What is no longer linear can become a key of its own, and is found again by it."""

    def __init__(self) -> None:
        self.inside: dict[Key, Expression] = {}
        self._keys: dict[int, Key] = {}
        self._steps: dict[int, tuple[Expression, Step | None]] = {}

    def linear(self, value: Expression, width: int) -> Linear:
        """The expression itself if it is linear, else a key that stands for it."""
        if isinstance(value, Linear):
            return value
        key = self._keys.setdefault(id(value), ("inside", len(self._keys)))
        self.inside[key] = value
        return leaf(key, width)

    def matmul(self, value: Expression, weights: Array) -> Linear:
        """Weights (outputs, inputs) times an expression."""
        value = self.linear(value, weights.shape[1])
        if value.width not in (0, 1, weights.shape[1]):
            raise ModelError(f"multiplies {weights.shape} by {value.width} numbers; convert the model again")
        _refuse_wide(len(weights))
        terms: dict[Key, Array | None] = {k: weights if m is None else weights @ m for k, m in value.terms.items()}
        fixed = weights @ np.broadcast_to(value.constant, weights.shape[1:])
        return Linear(len(weights), terms, fixed)

    def add(self, one: Expression, other: Expression) -> Expression:
        if not (isinstance(one, Linear) and isinstance(other, Linear)):
            return Sum(one, other)
        terms = dict(one.terms)
        width = max(one.width, other.width)
        for key, matrix in other.terms.items():
            terms[key] = _dense(matrix, width) + _dense(terms[key], width) if key in terms else matrix
        return Linear(width, terms, one.constant + other.constant)

    def multiply(self, one: Expression, other: Expression) -> Expression:
        if isinstance(one, Linear) and isinstance(other, Linear) and not (one.terms and other.terms):
            factor, value = (one, other) if not one.terms else (other, one)
            width = max(one.width, other.width)
            scale = np.broadcast_to(factor.constant, (width,))
            terms: dict[Key, Array | None] = {k: scale[:, None] * _dense(m, width) for k, m in value.terms.items()}
            return Linear(width, terms, scale * value.constant)
        return Product(one, other)

    def rows(self, value: Expression, start: int, stop: int) -> Linear:
        """Numbers from start to stop of a linear one."""
        if not isinstance(value, Linear) or not 0 <= start < stop <= value.width:
            raise ModelError("splits what is not linear; import the .keras file of the model")
        terms: dict[Key, Array | None] = {k: _dense(m, value.width)[start:stop] for k, m in value.terms.items()}
        return Linear(stop - start, terms, np.broadcast_to(value.constant, (value.width,))[start:stop])

    def join(self, values: Sequence[tuple[Expression, int]]) -> Linear:
        """Expressions of so many numbers each, one behind the other."""
        parts = [self.linear(value, width) for value, width in values]
        total, at = sum(part.width for part in parts), 0
        _refuse_wide(total)
        terms: dict[Key, Any] = {}
        for part in parts:
            for key, matrix in part.terms.items():
                block = _dense(matrix, part.width)
                terms.setdefault(key, np.zeros((total, block.shape[1])))[at : at + part.width] += block
            at += part.width
        return Linear(total, terms, np.concatenate([np.broadcast_to(p.constant, (p.width,)) for p in parts]))

    # ---- cells ----

    def step(self, hidden: Expression) -> Step | None:
        """The cell whose new hidden state an expression is; None if it is none that we have. Asked again, the same."""
        if id(hidden) not in self._steps:
            found = next(
                filter(None, (find(hidden) for find in (self._lstm, self._gru, self._rnn, self._fastgrnn))), None
            )
            self._steps[id(hidden)] = hidden, found
        return self._steps[id(hidden)][1]

    def _lstm(self, hidden: Expression) -> Step | None:
        for out, squashed in _orders(hidden, Product):
            if not (_is(out, "sigmoid") and _is(squashed, "tanh")):
                continue
            kept, added = _summands(squashed.of)
            for forget, before in _orders(kept, Product) if kept is not None else ((None, None),):
                for i, g in _orders(added, Product):
                    if _is(i, "sigmoid") and _is(g, "tanh") and (forget is None or _is(forget, "sigmoid")):
                        cell, key = squashed.of, _key(before)
                        seeing = [_without_peephole(gate and gate.of, key, cell) for gate in (i, forget, out)]
                        i_rows, f_rows, o_rows = (rows for rows, _ in seeing)
                        found = _gates([i_rows, f_rows, g.of, o_rows])
                        if found is not None:
                            weights = _lstm_weights(found.arrays, [peephole for _, peephole in seeing])
                            return Step(weights, found.x, found.h, cell, before)
        return None

    def _gru(self, hidden: Expression) -> Step | None:
        """z·h + (1 - z)·n, or n + z·(h - n)."""
        for candidate, share in _orders(hidden, Sum):
            for update, apart in _orders(share, Product):
                for before, minus in _orders(apart, Sum):
                    if _is(update, "sigmoid") and _is(candidate, "tanh") and _is_minus(minus, candidate):
                        return self._candidate(update.of, candidate.of, before)
        for kept, added in _orders(hidden, Sum):
            for update, before in _orders(kept, Product):
                for rest, candidate in _orders(added, Product):
                    if _is(update, "sigmoid") and _is(candidate, "tanh") and _is_rest(rest, update):
                        found = self._candidate(update.of, candidate.of, before)
                        if found is not None:
                            return found
        return None

    def _candidate(self, update: Expression, candidate: Expression, before: Expression) -> Step | None:
        h = _key(before)
        for plain, product in _orders(candidate, Sum):
            for reset, inner in _orders(product, Product):
                if _is(reset, "sigmoid") and isinstance(plain, Linear) and isinstance(inner, Linear):
                    return _gru_step([update, reset.of, plain], inner, h, reset_after=True)
        if isinstance(candidate, Linear):
            inside = [key for key in candidate.terms if key in self.inside]
            for reset, state in _orders(self.inside[inside[0]], Product) if len(inside) == 1 else ():
                if _is(reset, "sigmoid") and _key(state) == h:
                    terms = {k: m for k, m in candidate.terms.items() if k != inside[0]}
                    plain = Linear(candidate.width, terms, candidate.constant)
                    inner = Linear(candidate.width, {h: candidate.terms[inside[0]]}, np.zeros(1))
                    return _gru_step([update, reset.of, plain], inner, h, reset_after=False)
        return None

    def _rnn(self, hidden: Expression) -> Step | None:
        activation = _RNN_ACTIVATIONS.get(hidden.name) if isinstance(hidden, Squashed) else None
        if activation is None or not isinstance(hidden, Squashed):
            return None
        found = _gates([hidden.of])
        return Step(RnnWeights(*found.arrays, activation), found.x, found.h) if found is not None else None

    def _fastgrnn(self, hidden: Expression) -> Step | None:
        """z·h + ((ζ + ν) - ζ z)·n, as edge-lstm writes it."""
        for kept, added in _orders(hidden, Sum):
            for update, before in _orders(kept, Product):
                for share, candidate in _orders(added, Product):
                    h = _key(before)
                    if not (_is(update, "sigmoid") and _is(candidate, "tanh") and isinstance(h, tuple)):
                        continue
                    found, numbers = _gates([update.of, candidate.of]), _zeta_and_nu(share, update)
                    if found is not None and numbers is not None and found.h == h:
                        kernel, recurrent, bias = found.arrays
                        if np.array_equal(*kernel) and np.array_equal(*recurrent):
                            return Step(FastGrnnWeights(kernel[:1], recurrent[:1], bias, *numbers), found.x, h)
        return None


_RNN_ACTIVATIONS: dict[str, RnnActivation] = {"tanh": "tanh", "relu": "relu"}


def _zeta_and_nu(share: Any, update: Squashed) -> tuple[float, float] | None:
    """Of ``(ζ + ν) - ζ z`` with one ζ and one ν for all units."""
    for total, minus in _orders(share, Sum):
        for sign, scaled in _orders(minus, Product):
            for zeta, gate in _orders(scaled, Product):
                numbers = [_one_number(value) for value in (total, sign, zeta)]
                if gate is update and None not in numbers and numbers[1] == -1:
                    total_, _, zeta_ = (float(number or 0) for number in numbers)
                    nu = total_ - zeta_  # of a sum that was rounded to float32
                    return zeta_, 0.0 if abs(nu) < _ROUNDING else nu
    return None


_ROUNDING = 2.0**-23
"""Of a number up to 2 in float32."""


def _one_number(value: Any) -> float | None:
    """The constant that all units have; None if it is none."""
    if not isinstance(value, Linear) or value.terms or np.ptp(value.constant) != 0:
        return None
    return float(value.constant.flat[0])


def _is(value: Any, name: str) -> bool:
    return isinstance(value, Squashed) and value.name == name


def _orders(value: Any, kind: type | None) -> Iterator[tuple[Any, Any]]:
    """The two sides of a product or a sum, both ways round."""
    if kind is not None and not isinstance(value, kind):
        return
    yield value.one, value.other
    yield value.other, value.one


def _summands(value: Expression) -> tuple[Expression | None, Expression]:
    """f·c and i·g, of which the second holds both squashings; the first is missing where c is zero."""
    if isinstance(value, Sum):
        for one, other in _orders(value, Sum):
            if isinstance(other, Product) and any(
                _is(a, "sigmoid") and _is(b, "tanh") for a, b in _orders(other, Product)
            ):
                return one, other
    return None, value


def _without_peephole(gate: Any, before: Key, cell: Expression) -> tuple[Any, Array | None]:
    """The rows of a gate, and the weights of what it sees besides: the cell of the key ``before``, or the new one."""
    if isinstance(gate, Linear) and before is not None and before in gate.terms:
        matrix = _dense(gate.terms[before], gate.width)
        diagonal = np.diagonal(matrix)
        if matrix.shape == (gate.width, gate.width) and not (matrix - np.diag(diagonal)).any():
            terms = {key: each for key, each in gate.terms.items() if key != before}
            return Linear(gate.width, terms, gate.constant), diagonal
    for rows, product in _orders(gate, Sum):
        for factor, seen in _orders(product, Product):
            if isinstance(rows, Linear) and isinstance(factor, Linear) and not factor.terms and seen is cell:
                return rows, np.broadcast_to(factor.constant, (rows.width,))
    return gate, None


def _lstm_weights(arrays: tuple[Any, Any, Any], peepholes: list[Array | None]) -> LstmWeights | PeepholeLstmWeights:
    if all(each is None for each in peepholes):
        return LstmWeights(*arrays)
    nothing = np.zeros(arrays[0].shape[1])
    return PeepholeLstmWeights(*arrays, _float32([nothing if each is None else each for each in peepholes]))


def _is_rest(value: Any, update: Squashed) -> bool:
    """Whether it is 1 - update, of the same update."""
    return any(
        isinstance(one, Linear) and not one.terms and bool((one.constant == 1).all()) and _is_minus(minus, update)
        for one, minus in _orders(value, Sum)
    )


def _is_minus(value: Any, of: Expression) -> bool:
    return any(
        isinstance(factor, Linear) and not factor.terms and bool((factor.constant == -1).all()) and other is of
        for factor, other in _orders(value, Product)
    )


def _key(value: Any) -> Key:
    """The key that an expression is, unchanged; None if it is another."""
    if isinstance(value, Linear) and len(value.terms) == 1 and not value.constant.any():
        ((key, matrix),) = value.terms.items()
        return key if matrix is None else None
    return None


def _dense(matrix: Array | None, width: int) -> Array:
    return np.eye(width) if matrix is None else matrix


def _float32(arrays: Sequence[Array]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.stack(arrays).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Gates:
    """Kernel, recurrent weights and bias of linear gates, and the keys of the input and the state in them."""

    arrays: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    x: Key
    h: Key


def _gates(gates: Sequence[Any]) -> _Gates | None:
    """None if they are not linear in one input and one state; a gate that is None is that of a first step from zero."""
    shown = [gate for gate in gates if gate is not None]
    if not all(isinstance(gate, Linear) for gate in shown) or len({gate.width for gate in shown}) != 1:
        return None
    units, keys = shown[0].width, list(dict.fromkeys(itertools.chain.from_iterable(gate.terms for gate in shown)))
    x, h = _input_and_state(keys)
    if units > MOST_UNITS or x is None:
        return None
    features = next(_dense(gate.terms[x], units).shape[1] for gate in shown if x in gate.terms)

    def matrices(key: Key, width: int) -> list[Array]:
        nothing = np.zeros((units, width))
        return [nothing if g is None or key not in g.terms else _dense(g.terms[key], units) for g in gates]

    kernel, recurrent = matrices(x, features), matrices(h, units)
    if any(m.shape != (units, units) for m in recurrent) or any(m.shape != (units, features) for m in kernel):
        return None
    bias = [np.zeros(units) if gate is None else np.broadcast_to(gate.constant, (units,)) for gate in gates]
    return _Gates((_float32(kernel), _float32(recurrent), _float32(bias)), x, h)


def _input_and_state(keys: list[Key]) -> tuple[Key, Key]:
    """Keys say which they are: ``("x", …)`` and ``("h", …)``. One of two that does not is what the other is not."""
    roles = {key[0]: key for key in keys if isinstance(key, tuple)}
    if len(keys) == 1:
        return roles.get("x"), None
    if len(keys) != 2 or not {"x", "h"} & set(roles):
        return None, None
    x = roles["x"] if "x" in roles else next(key for key in keys if key != roles["h"])
    return x, next(key for key in keys if key != x)


def _gru_step(gates: Sequence[Any], inner: Linear, h: Key, *, reset_after: bool) -> Step | None:
    """Gates z, r and the candidate's part of the input; ``inner`` is its part of the state, which r scales."""
    found = _gates(gates)
    if found is None or h is None or found.h != h or set(inner.terms) != {h} or h in gates[2].terms:
        return None
    kernel, recurrent, bias = found.arrays
    units = kernel.shape[1]
    recurrent = np.concatenate([recurrent[:2], _float32([_dense(inner.terms[h], units)])])
    reset_bias = np.broadcast_to(inner.constant, (units,)).astype(np.float32)
    return Step(GruWeights(kernel, recurrent, bias, reset_bias, reset_after), found.x, h)
