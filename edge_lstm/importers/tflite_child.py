"""``python -m edge_lstm.importers.tflite_child FILE QUESTION ANSWER [TAKEN:GIVEN …]``: a TFLite runtime, apart."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def main(file: str, question: str, answer: str, *handed: str) -> None:
    """``.npy`` files of inputs (B, T, F) and of what the model gives: (B, T, O), or (B, O) of the last step alone.

    The state is zeroed before every sequence. A quantised file is given codes, and its codes are read as numbers.
    """
    found = _interpreter()
    model = found.Interpreter(
        file, experimental_op_resolver_type=found.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    model.allocate_tensors()
    entries, outs = model.get_input_details(), model.get_output_details()
    x, shape = np.load(question), entries[0]["shape"]
    batch, steps = int(shape[0]), int(shape[1]) if len(shape) == 3 else 1
    # Of each state that is handed in and out, its place among the inputs and that among the outputs.
    places = [tuple(map(int, pair.split(":"))) for pair in handed]
    outputs = []
    for start in range(0, len(x), batch):
        model.reset_all_variables()
        states, calls = {taken: np.zeros(entries[taken]["shape"]) for taken, _ in places}, []
        for t in range(0, x.shape[1], steps):
            for taken, value in {0: x[start : start + batch, t : t + steps], **states}.items():
                entry = entries[taken]
                model.set_tensor(entry["index"], _codes(value.reshape(entry["shape"]), entry))
            model.invoke()
            given = [_numbers(model.get_tensor(out["index"]), out) for out in outs]
            y, states = given[0], {taken: given[place] for taken, place in places}
            calls.append(y.reshape(batch, -1, y.shape[-1]))
        outputs.append(np.concatenate(calls, axis=1))
    found = np.concatenate(outputs)
    np.save(answer, found[:, 0] if found.shape[1] == 1 and steps > 1 else found)


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
