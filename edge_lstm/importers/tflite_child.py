"""``python -m edge_lstm.importers.tflite_child FILE QUESTION ANSWER``: a TFLite runtime, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def main(file: str, question: str, answer: str) -> None:
    """``.npy`` files of inputs (B, T, F) and of what the model gives: (B, T, O), or (B, O) of the last step alone.

    The state is zeroed before every sequence. A quantised file is given codes, and its codes are read as numbers.
    """
    found = _interpreter()
    model = found.Interpreter(
        file, experimental_op_resolver_type=found.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    model.allocate_tensors()
    entry, out = model.get_input_details()[0], model.get_output_details()[0]
    x = np.load(question)
    batch, steps = entry["shape"][0], entry["shape"][1] if len(entry["shape"]) == 3 else 1

    def call(part: Any) -> Any:
        model.set_tensor(entry["index"], _codes(part.reshape(entry["shape"]), entry))
        model.invoke()
        return _numbers(model.get_tensor(out["index"]), out)

    np.save(answer, _all(x, batch, steps, call, model.reset_all_variables))


def _all(x: Any, batch: int, steps: int, call: Callable[[Any], Any], reset: Callable[[], Any]) -> Any:
    outputs = []
    for start in range(0, len(x), batch):
        reset()
        calls = [call(x[start : start + batch, t : t + steps]) for t in range(0, x.shape[1], steps)]
        outputs.append(np.concatenate([y.reshape(batch, -1, y.shape[-1]) for y in calls], axis=1))
    found = np.concatenate(outputs)
    return found[:, 0] if found.shape[1] == 1 and steps > 1 else found


def _interpreter() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        from tflite_runtime import interpreter
    return interpreter


def _codes(values: Any, detail: Any) -> Any:
    scale, zero = detail["quantization"]
    if not scale:
        return values.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(detail["dtype"])


def _numbers(codes: Any, detail: Any) -> Any:
    scale, zero = detail["quantization"]
    return (codes.astype(np.float64) - zero) * scale if scale else codes


if __name__ == "__main__":
    main(*sys.argv[1:])
