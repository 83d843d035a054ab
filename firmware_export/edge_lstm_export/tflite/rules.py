"""What the runtimes demand and do not check: a broken rule loads and computes garbage, crashes, or falls off the
accelerator. Each rule is a function whose docstring is the rule; it returns what it found wrong, or None.

The rules read the finished graph, not the model it came from, so they also catch a writer that wires it wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.arithmetic.fused import CELL_EXPONENTS
from edge_lstm.errors import ExportError
from edge_lstm.tflite_schema import schema
from edge_lstm_export.tflite.graph import ABSENT, Graph


@dataclass(frozen=True, eq=False)
class Node:
    """An operator with its tensors at hand."""

    graph: Graph
    operator: Any

    @property
    def version(self) -> int:
        return int(self.graph.model.operatorCodes[self.operator.opcodeIndex].version)

    @property
    def options(self) -> Any:
        return self.operator.builtinOptions

    def input(self, position: int) -> Any:
        """The tensor at an input position, or None where the operator has none there."""
        inputs = self.operator.inputs
        index = inputs[position] if position < len(inputs) else ABSENT
        return None if index == ABSENT else self.graph.main.tensors[index]

    def inputs(self, positions: range) -> list[Any]:
        """The tensors present at a range of positions."""
        return [tensor for tensor in map(self.input, positions) if tensor is not None]

    @property
    def output(self) -> Any:
        return self.graph.main.tensors[self.operator.outputs[0]]

    @property
    def intermediates(self) -> list[Any]:
        return [self.graph.main.tensors[index] for index in self.operator.intermediates or ()]

    @property
    def is_float(self) -> bool:
        return bool(self.output.type == schema().TensorType.FLOAT32)

    def int8_values(self, tensor: Any) -> Any:
        return np.frombuffer(self.graph.model.buffers[tensor.buffer].data, np.int8)


Rule = Callable[[Node], str | None]

# Positions of the 24 operands of UNIDIRECTIONAL_SEQUENCE_LSTM.
_OPERANDS = 24
_X, _H_STATE, _C_STATE = 0, 18, 19
_KERNEL, _RECURRENT, _BIAS = range(1, 5), range(5, 9), range(12, 16)
_UNUSED = (*range(9, 12), *range(16, 18), *range(20, 24))


def has_24_operands(node: Node) -> str | None:
    """An LSTM has 24 operands, absent ones marked -1; TFLM and Vela refuse the shorter forms."""
    count = len(node.operator.inputs)
    return None if count == _OPERANDS else f"it has {count} operands"


def has_a_known_version(node: Node) -> str | None:
    """An LSTM operator is of version 1, 3 or 4."""
    return None if node.version in (1, 3, 4) else f"it is of version {node.version}"


def is_a_plain_cell(node: Node) -> str | None:
    """An LSTM has no peepholes, no projection and no layer normalisation; Vela and CMSIS-NN refuse them."""
    found = [k for k in _UNUSED if node.input(k) is not None]
    return f"operand {found[0]} is given" if found else None


def has_tanh_and_no_clip(node: Node) -> str | None:
    """An LSTM's activation is tanh, it is not time-major, and it clips neither cell nor projection: runtimes honour a
    cell clip and the reference has none.
    """
    options = node.options
    if options.fusedActivationFunction != schema().ActivationFunctionType.TANH:
        return "its activation is not tanh"
    if options.timeMajor:
        return "it is time-major"
    return "it clips" if options.cellClip or options.projClip else None


def has_rank_3_ends(node: Node) -> str | None:
    """An LSTM's input and output have three axes, (1, steps, width); Vela sends others to the CPU."""
    ranks = [len(tensor.shape) for tensor in (node.input(_X), node.output)]
    return None if ranks == [3, 3] else f"its ends have {ranks} axes"


def keeps_its_state(node: Node) -> str | None:
    """Both states are variable tensors without data; every runtime refuses others."""
    for position in (_H_STATE, _C_STATE):
        tensor = node.input(position)
        if tensor is None:
            return f"operand {position} is missing"
        if not tensor.isVariable or tensor.buffer != 0:
            return f"{tensor.name} is not a variable without data"
    return None


def has_a_power_of_two_cell(node: Node) -> str | None:
    """The int16 cell state has zero point 0 and a scale that is a power of two; with others TFLite computes garbage."""
    scale, zero = _scale(node.input(_C_STATE)), _zero(node.input(_C_STATE))
    if zero != 0:
        return f"its cell has zero point {zero}"
    return None if scale > 0 and math.frexp(scale)[0] == 0.5 else f"its cell scale is {scale:.9g}"


def has_a_cell_tanh_can_read(node: Node) -> str | None:
    """The cell scale lies in 2^-15 .. 2^-9; outside, TFLite's tanh of the cell silently does nothing."""
    scale = _scale(node.input(_C_STATE))
    low, high = 2.0 ** CELL_EXPONENTS[0], 2.0 ** CELL_EXPONENTS[-1]
    return None if low <= scale <= high else f"its cell scale is 2^{math.log2(scale):.3g}"


def has_five_intermediates(node: Node) -> str | None:
    """An int8 LSTM has five intermediates: four empty float32 or int16 ones and an empty int8 one; TFLite and Vela
    refuse fewer.
    """
    types = schema().TensorType
    tensors = node.intermediates
    if len(tensors) != 5:
        return f"it has {len(tensors)} intermediates"
    if any(list(tensor.shape) != [0] for tensor in tensors):
        return "an intermediate is not empty"
    if any(tensor.type not in (types.FLOAT32, types.INT16) for tensor in tensors[:4]):
        return "one of the intermediates 0-3 is neither float32 nor int16"
    return None if tensors[4].type == types.INT8 else "intermediate 4 is not int8"


def has_one_hidden_quantisation(node: Node) -> str | None:
    """Hidden state, output and intermediate 4 share one quantisation; TFLite reads the last one and TFLM the first."""
    wanted = _quant(node.output)
    for tensor in (node.input(_H_STATE), *node.intermediates[4:]):
        if _quant(tensor) != wanted:
            return f"{tensor.name} has (scale, zero) {_quant(tensor)} and the output {wanted}"
    return None


def has_symmetric_gate_weights(node: Node) -> str | None:
    """Each gate's weights have one scale and zero point 0; per-channel scales load, are ignored, and send the operator
    to the CPU in Vela.
    """
    for tensor in (*node.inputs(_KERNEL), *node.inputs(_RECURRENT)):
        scales = tensor.quantization.scale
        if len(scales) != 1:
            return f"{tensor.name} has {len(scales)} scales"
        if _zero(tensor) != 0:
            return f"{tensor.name} has zero point {_zero(tensor)}"
    return None


def has_narrow_gate_weights(node: Node) -> str | None:
    """Gate weights lie in -127..127: the kernels assume the symmetric range."""
    return _wide_fault(node, node.inputs(_KERNEL) + node.inputs(_RECURRENT))


def has_gate_biases_of_the_accumulator(node: Node) -> str | None:
    """Each gate's int32 bias has the scale of its accumulator, input scale times weight scale; runtimes ignore the
    field, other readers do not.
    """
    for position, bias in zip(_KERNEL, _BIAS, strict=True):
        wrong = _bias_fault(node.input(_X), node.input(position), node.input(bias))
        if wrong:
            return wrong
    return None


def has_an_explicit_bias(node: Node) -> str | None:
    """A FULLY_CONNECTED has a bias, even if all zero: tflite-runtime 2.14 on ARM crashes without it."""
    return None if node.input(2) is not None else "it has no bias"


def has_the_bias_of_the_accumulator(node: Node) -> str | None:
    """A FULLY_CONNECTED's int32 bias has the scale of its accumulator, input scale times weight scale."""
    return _bias_fault(node.input(0), node.input(1), node.input(2))


def has_narrow_weights(node: Node) -> str | None:
    """A FULLY_CONNECTED's weights lie in -127..127: the kernels assume the symmetric range."""
    return _wide_fault(node, node.inputs(range(1, 2)))


def has_a_version_old_runtimes_load(node: Node) -> str | None:
    """A FULLY_CONNECTED is of version 9 at most: tflite-runtime 2.14 does not load version 12."""
    return None if node.version <= 9 else f"it is of version {node.version}"


FLOAT_LSTM_RULES: tuple[Rule, ...] = (
    has_24_operands,
    has_a_known_version,
    is_a_plain_cell,
    has_tanh_and_no_clip,
    has_rank_3_ends,
    keeps_its_state,
)
INT8_LSTM_RULES: tuple[Rule, ...] = (
    *FLOAT_LSTM_RULES,
    has_a_power_of_two_cell,
    has_a_cell_tanh_can_read,
    has_five_intermediates,
    has_one_hidden_quantisation,
    has_symmetric_gate_weights,
    has_narrow_gate_weights,
    has_gate_biases_of_the_accumulator,
)
FLOAT_DENSE_RULES: tuple[Rule, ...] = (has_an_explicit_bias, has_a_version_old_runtimes_load)
INT8_DENSE_RULES: tuple[Rule, ...] = (*FLOAT_DENSE_RULES, has_narrow_weights, has_the_bias_of_the_accumulator)

RULES: dict[str, tuple[tuple[Rule, ...], tuple[Rule, ...]]] = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (INT8_LSTM_RULES, FLOAT_LSTM_RULES),
    "FULLY_CONNECTED": (INT8_DENSE_RULES, FLOAT_DENSE_RULES),
}
"""Operator → its rules for int8 and for float32. Operators without a row have nothing to break."""


def check(graph: Graph) -> None:
    """Hold the graph against every rule, in order.

    Raises:
        ExportError: naming the operator's output, what was found, and the rule.
    """
    for kind, node in _nodes(graph):
        for_int8, for_float = RULES.get(kind, ((), ()))
        for rule in for_float if node.is_float else for_int8:
            found = rule(node)
            if found is not None:
                said = " ".join((rule.__doc__ or "").split()).rstrip(".")
                raise ExportError(
                    f"the {kind} that computes {node.output.name} cannot be written: {found}. Rule: {said}"
                )


def _nodes(graph: Graph) -> Iterator[tuple[str, Node]]:
    builtin = schema().BuiltinOperator
    names = {value: name for name, value in vars(builtin).items() if not name.startswith("_")}
    for operator in graph.main.operators:
        yield names[graph.model.operatorCodes[operator.opcodeIndex].builtinCode], Node(graph, operator)


def _wide_fault(node: Node, tensors: list[Any]) -> str | None:
    wide = [tensor.name for tensor in tensors if (node.int8_values(tensor) == -128).any()]
    return f"{wide[0]} holds -128" if wide else None


def _bias_fault(x: Any, weights: Any, bias: Any) -> str | None:
    for k, weight_scale in enumerate(weights.quantization.scale):
        wanted = np.float32(_scale(x)) * np.float32(weight_scale)
        found = np.float32(bias.quantization.scale[k])
        if found != wanted:
            return f"{bias.name} has scale {found:.9g} where the accumulator has {wanted:.9g}"
    return None if bias.type == schema().TensorType.INT32 else f"{bias.name} is not int32"


def _scale(tensor: Any) -> float:
    return float(tensor.quantization.scale[0])


def _zero(tensor: Any) -> int:
    return int(tensor.quantization.zeroPoint[0])


def _quant(tensor: Any) -> tuple[float, int]:
    return _scale(tensor), _zero(tensor)
