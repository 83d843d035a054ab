"""The Edge TPU: what is known to fail is looked for first, then ``edgetpu_compiler`` is run on the explicit-state file.

The compiler is closed and made for Debian on x86-64 alone. It was never run on a file of this project, so all that
comes from here is marked unchecked.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm.tflite_schema import schema
from edge_lstm_export.npu.process import run_compiler

COMPILER = "edgetpu_compiler"
UNCHECKED = "unchecked: nothing was run on an Edge TPU, and its compiler was never run on a file of this project"

MAPPED = ("CONCATENATION", "FULLY_CONNECTED", "LOGISTIC", "TANH", "MUL", "ADD", "SUB", "SLICE")
"""Operators of a step on Coral's list of supported ones."""

CACHE = 8 * 2**20
"""Bytes of parameters that the chip keeps; more are sent again with every call."""

LONGEST_ROW = 900
"""Widest input an LSTM was compiled with; at 1,000 the compiler fails without a word (edgetpu issue 598)."""

CALL_SECONDS = 1.28e-3
"""One call of a small int8 LSTM on a Coral Dev Board's Edge TPU; its CPU took 1.33 ms (edgetpu issue 323). With the USB
stick on a Raspberry Pi 4 it was half as fast as that CPU (issue 689)."""

CPU_MACS_PER_SECOND = 1e9
"""An application core at 1 GHz or more does at least one int8 multiply-accumulate a cycle."""


@dataclass(frozen=True, eq=False)
class EdgeTpuResult:
    """What ``edgetpu_compiler`` made of the explicit-state file; unchecked.

    Args:
        operators: (operator, count, status) as the compiler tells them.
        macs: multiply-accumulates of a step.
        doubts: limits that others have met and this model passes.
    """

    source: str
    content: bytes = field(repr=False)
    operators: tuple[tuple[str, int, str], ...]
    macs: int
    doubts: tuple[str, ...]

    @property
    def cpu_is_better(self) -> bool:
        """Whether a step on the CPU takes less than one call of the Edge TPU, whatever is computed in it."""
        return self.macs / CPU_MACS_PER_SECOND < CALL_SECONDS

    @property
    def advice(self) -> str:
        on_cpu, call = 1e6 * self.macs / CPU_MACS_PER_SECOND, 1e6 * CALL_SECONDS
        verdict = "stay on the CPU" if self.cpu_is_better else "the Edge TPU may gain"
        return f"{verdict}: {self.macs:,} multiplications take about {on_cpu:.0f} µs there, a call of it {call:.0f} µs"

    def to_json(self) -> dict[str, Any]:
        return {
            "recommended": "cpu" if self.cpu_is_better else "edge tpu",
            "advice": self.advice,
            "unchecked": UNCHECKED,
            "operators": [list(row) for row in self.operators],
            "doubts": list(self.doubts),
        }


def find_edge_tpu_compiler() -> str:
    """Its path.

    Raises:
        MissingDependencyError: if it is not on the PATH.
    """
    path = shutil.which(COMPILER)
    if path is None:
        raise MissingDependencyError(
            f"{COMPILER} is not on the PATH; on Debian or Ubuntu, x86-64, install it as "
            "https://coral.ai/docs/edgetpu/compiler says"
        )
    return path


def compile_for_edge_tpu(source: str, content: bytes) -> EdgeTpuResult:
    """The explicit-state file, compiled.

    Raises:
        MissingDependencyError: if the compiler is not on the PATH.
        ExportError: if the file has what the Edge TPU cannot run, or the compiler fails.
    """
    compiler = find_edge_tpu_compiler()
    model = schema().ModelT.InitFromObj(schema().Model.GetRootAsModel(content, 0))
    require_mappable(source, model)
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as work:
        folder = Path(work)
        (folder / source).write_bytes(content)
        done = run_compiler(COMPILER, [compiler, "-s", "-o", ".", source], source, folder)
        compiled = folder / f"{Path(source).stem}_edgetpu.tflite"
        if done.returncode or not compiled.is_file():
            raise ExportError(f"{source}: {COMPILER}: {_complaint(done.stdout + done.stderr)}; use the CPU")
        operators = re.findall(r"^([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\S.*?)\s*$", done.stdout, re.MULTILINE)
        told = tuple((name, int(count), status) for name, count, status in operators)
        return EdgeTpuResult(source, compiled.read_bytes(), told, _macs(model), _doubts(model))


def _complaint(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    bad = [line for line in lines if re.search("error|fail|abort", line, re.IGNORECASE)]
    return (bad or lines or ["failed and said nothing"])[0]


def require_mappable(source: str, model: Any) -> None:
    """Raise ExportError for the first rule of ``LIMITS`` that the file breaks.

    Args:
        model: the file's unpacked flatbuffer.
    """
    for limit in LIMITS:
        broken = limit(model)
        if broken is not None:
            raise ExportError(f"{source}: the Edge TPU cannot run {broken}; use the explicit-state file, or the CPU")


def _operators_are_supported(model: Any) -> str | None:
    """Every operator is on Coral's list."""
    names = {value: name for name, value in vars(schema().BuiltinOperator).items()}
    used = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    return next((name for name in used if name not in MAPPED), None)


def _tensors_are_int8(model: Any) -> str | None:
    """Tensors are int8, biases int32."""
    types = (schema().TensorType.INT8, schema().TensorType.INT32)
    return _first(model, "which is not int8", lambda tensor: tensor.type not in types)


def _shapes_are_fixed(model: Any) -> str | None:
    """No tensor has a size that is known only at run time."""
    return _first(model, "whose shape is open", lambda tensor: tensor.shapeSignature is not None)


def _tensors_have_one_scale(model: Any) -> str | None:
    """A tensor has one scale, weights too."""
    return _first(model, "which has several scales", lambda tensor: len(tensor.quantization.scale) != 1)


def _no_state_inside(model: Any) -> str | None:
    """No tensor keeps its value from call to call."""
    return _first(model, "which is a variable", lambda tensor: tensor.isVariable)


def _first(model: Any, words: str, broken: Callable[[Any], bool]) -> str | None:
    """The first tensor that breaks a rule, and how."""
    return next((f"{tensor.name.decode()}, {words}" for tensor in _tensors(model) if broken(tensor)), None)


LIMITS: tuple[Callable[[Any], str | None], ...] = (
    _operators_are_supported,
    _tensors_are_int8,
    _shapes_are_fixed,
    _tensors_have_one_scale,
    _no_state_inside,
)


def _doubts(model: Any) -> tuple[str, ...]:
    matrices = _matrices(model)
    widest, parameters = max(m.shape[1] for m in matrices), _macs(model)
    found = []
    if widest > LONGEST_ROW:
        found.append(f"rows of {widest} weights: beyond {LONGEST_ROW} others saw the compiler fail without a word")
    if parameters > CACHE:
        found.append(f"{parameters:,} B of weights: beyond {CACHE:,} B they are sent again with every call")
    return tuple(found)


def _macs(model: Any) -> int:
    """Each weight is used once a step."""
    return sum(int(np.prod(matrix.shape)) for matrix in _matrices(model))


def _matrices(model: Any) -> list[Any]:
    return [t for t in _tensors(model) if model.buffers[t.buffer].data is not None and len(t.shape) == 2]


def _tensors(model: Any) -> list[Any]:
    return [tensor for graph in model.subgraphs for tensor in graph.tensors]
