"""The imported model against the runtime of its file, over random sequences."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lstm.errors import VerificationError
from edge_lstm.importers import saved_model
from edge_lstm.importers.chain import BATCH_FIRST, Array, Chain, Grid
from edge_lstm.importers.look_ahead import is_whole_at_its_end
from edge_lstm.importers.network import Found
from edge_lstm.model import FloatModel
from edge_lstm.reference import network, replay

BOUND = 1e-5
"""Of the largest output. The runtimes add in float32, whose last bit is 6e-8 of a sum, in an order of their own; the
reference adds in float64. Sums over a thousand terms stay a hundredfold below what a wrong gate would show."""

ROUNDED_BOUND = 0.5
"""Of the deviation of the outputs, root mean square, where the original rounds to 8 bits. Fused int8 files stay below
0.1, or 0.3 where an untrained softmax hardly moves; a cell state of 8 bits costs more. Two gates in each other's place
are mostly beyond 1."""

_BATCH, _STEPS, _SECONDS = 3, 24, 120.0


@dataclass(frozen=True)
class Compared:
    """How far the model is from its original.

    Args:
        runtime: which computed the original.
        error: the largest difference over the largest output; None if it was not compared.
        rounded: whether the original rounds to 8 bits, and the error is root mean square over the outputs' deviation.
        not_run: why not.
        late: steps that the model looks ahead. What it says at the end of a sequence is what the original, which knows
            the whole sequence, says of as many steps before; nothing else is alike.
    """

    runtime: str
    sequences: int = 0
    steps: int = 0
    error: float | None = None
    not_run: str = ""
    rounded: bool = False
    late: int = 0


class _CannotRunError(Exception):
    """The runtime that is installed does not read this file: Keras 3 refuses most of Keras 2."""


def compare(path: Path, chain: Chain, found: Found, model: FloatModel) -> Compared:
    """Run both.

    Raises:
        VerificationError: if they are further apart than ``BOUND``, or onnxruntime refuses the file.
    """
    run = _RUNTIMES.get(chain.format)
    if run is None:
        return Compared("torch", not_run="a state dict holds no program that a runtime could run")
    steps, batch, late = chain.steps or _STEPS, chain.batch or _BATCH, model.interface.look_ahead
    if late and not is_whole_at_its_end(model):
        return Compared(chain.format, not_run="what is behind a layer that looks ahead never sees a whole sequence")
    if late >= steps:
        return Compared(chain.format, not_run=f"it looks ahead by {late} steps, the original takes {steps}")
    question, physical = _questions(chain, model, (batch, steps))
    order = [BATCH_FIRST.index(axis) for axis in chain.input_axes]
    try:
        runtime, answer = run(path, question.transpose(order), chain)
    except _CannotRunError as refusal:
        return Compared(chain.format, not_run=str(refusal))
    if answer is None:
        return Compared(runtime, not_run=f"{runtime} is not installed")
    theirs = _in_order(answer, chain.output_axes)
    distance, bound, of = (
        (_deviation, ROUNDED_BOUND, "their deviation") if chain.rounded else (_distance, BOUND, "the largest")
    )
    pairs = ((ours, theirs) for ours in outputs_as_in_file(found, model, physical))
    if late:
        pairs = ((ours[:, -1], whole[:, -1 - late]) for ours, whole in pairs)
    error = max(distance(*(_at_labels(*pair) if found.label else pair)) for pair in pairs)
    if not error <= bound:
        raise VerificationError(
            f"{path}: {runtime} computes other outputs, {error:.1e} of {of} away, the limit is {bound:.0e}; "
            "please report it with the file"
        )
    return Compared(runtime, batch, steps, error, rounded=chain.rounded, late=late)


def _questions(chain: Chain, model: FloatModel, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Random inputs of the original, (B, T, F) or tokens (B, T), and the same for ours."""
    rng = np.random.default_rng(0)
    if chain.tokens:
        tokens = rng.integers(0, chain.tokens, shape, dtype=np.int32)
        return tokens, np.eye(chain.tokens, dtype=np.float32)[tokens]
    scaled = rng.normal(0, 1, (*shape, len(model.interface.channels)))
    if chain.grid is not None:
        physical = _on(chain.grid, scaled)
    else:
        physical = model.interface.scaling.undo(scaled).astype(np.float32)
    return physical, physical


def _on(grid: Grid, scaled: Array) -> Array:
    """Inputs that a quantised original can be given, the whole of their range within three deviations."""
    codes: Array = np.rint((grid.lowest + grid.highest) / 2 + scaled * (grid.highest - grid.lowest) / 6)
    return np.asarray((np.clip(codes, grid.lowest, grid.highest) - grid.zero) * grid.scale, np.float32)


def _zeros(chain: Chain) -> dict[str, Array]:
    """The states before the first sample, for a file that is given them."""
    batch = chain.batch or _BATCH
    return {
        name: np.zeros([batch if size is None else size for size in shape], np.float32) for name, shape in chain.states
    }


def outputs_as_in_file(found: Found, model: FloatModel, physical: Array) -> list[Array]:
    """What the file should give: replayed all together, and one sample at a time with a carried state."""
    net = network(model)
    scaled = model.interface.scaling.apply(physical)
    whole = np.array(replay(net, list(scaled)))
    stepped = np.empty_like(whole)
    for sequence, outputs in zip(scaled, stepped, strict=True):
        state = net.zero_state()
        for t, x in enumerate(sequence):
            state, y = net.step(state, x[None])
            outputs[t] = y[0]
    undo = model.interface.target_scaling.undo
    return [_as_file_gives(undo(outputs), found) for outputs in (whole, stepped)]


def _as_file_gives(outputs: Array, found: Found) -> Array:
    """(B, T, O) outputs → probabilities and last steps, as far as the file goes."""
    if found.probabilities:
        powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        outputs = powers / powers.sum(axis=-1, keepdims=True)
    if found.probabilities == "sigmoid":
        outputs = outputs[..., 1:]
    return outputs if found.every_step else outputs[:, -1]


def _at_labels(ours: Array, labels: Array) -> tuple[Array, Array]:
    """Our outputs in the places that an original says, and our largest: as far apart as the label is wrong."""
    places = np.rint(labels).astype(np.int64)
    if places.size != ours[..., 0].size or places.min() < 0 or places.max() >= ours.shape[-1]:
        raise VerificationError(f"the original gives labels of shape {labels.shape}, not ours; please report it")
    at = np.take_along_axis(ours, places.reshape((*ours.shape[:-1], 1)), axis=-1)
    return at, ours.max(axis=-1, keepdims=True)


def _in_order(answer: Array, axes: tuple[str, ...] | None) -> Array:
    """The file's output as (B, T, O), or (B, O) where it gives the last step alone."""
    if axes is None:
        return answer
    kept = [axis for axis in axes if axis != "one"]
    answer = answer.reshape([n for n, axis in zip(answer.shape, axes, strict=True) if axis != "one"])
    return answer.transpose([kept.index(axis) for axis in BATCH_FIRST if axis in kept])


def _distance(ours: Array, theirs: Array) -> float:
    if ours.shape != theirs.shape:
        raise VerificationError(f"the original gives shape {theirs.shape}, the import {ours.shape}; please report it")
    return float(np.abs(ours - theirs).max()) / (float(np.abs(theirs).max()) or 1.0)


def _deviation(ours: Array, theirs: Array) -> float:
    _distance(ours, theirs)
    each = theirs.reshape(-1, theirs.shape[-1])
    spread = float(np.sqrt(each.var(axis=0).mean()))
    return float(np.sqrt(((ours - theirs) ** 2).mean())) / (spread or 1.0)


def _onnxruntime(path: Path, x: Array, chain: Chain) -> tuple[str, Array | None]:
    try:
        import onnxruntime
    except ImportError:
        return "onnxruntime", None
    options = onnxruntime.SessionOptions()
    states = _zeros(chain)
    options.log_severity_level = 4  # it raises what matters, and would say it on stderr as well
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = {
            entry.name: states.get(entry.name, x).astype(_NUMBERS.get(entry.type, np.float32))
            for entry in session.get_inputs()
        }
        (answer,) = session.run([session.get_outputs()[0].name], inputs)
    except Exception as error:  # its errors have no common class but this
        first = str(error).splitlines()[0]
        if _BATCHWISE in first:
            return _onnx_reference(path, x, states)
        raise VerificationError(
            f"{path}: onnxruntime cannot run it ({first}); --no-compare takes it unchecked"
        ) from error
    return "onnxruntime", np.asarray(answer)


_BATCHWISE = "Batchwise recurrent operations (layout == 1) are not supported"
"""What onnxruntime says of layout 1, which it has for no recurrent operator."""


def _onnx_reference(path: Path, x: Array, states: Mapping[str, Array]) -> tuple[str, Array | None]:
    """The evaluator of the package onnx, which is slow, and computes layout 1."""
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(str(path))
    except RuntimeError as error:  # of an activation that it has not, such as the Relu of an RNN
        raise _CannotRunError(f"onnx.reference cannot run it ({error})") from error
    if any(a.name == "input_forget" and a.i for node in evaluator.proto_.graph.node for a in node.attribute):
        raise _CannotRunError("no runtime has input_forget in layout 1")
    kinds = dict(zip(evaluator.input_names, evaluator.input_types, strict=True))
    inputs = {
        name: states.get(name, x).astype(_ELEMENTS.get(kind.tensor_type.elem_type, np.float32))
        for name, kind in kinds.items()
    }
    return "onnx.reference", np.asarray(evaluator.run(None, inputs)[0])


_ELEMENTS = {11: np.float64, 10: np.float16, 7: np.int64, 6: np.int32}
_NUMBERS = {
    **{"tensor(double)": np.float64, "tensor(float16)": np.float16},
    **{"tensor(int64)": np.int64, "tensor(int32)": np.int32},
}


def _keras(path: Path, x: Array, _chain: Chain) -> tuple[str, Array | None]:
    """TensorFlow is 500 MB, and breaks runtimes that are loaded after it."""
    return "keras", _in_child("keras", ("keras", "tensorflow"), "keras_child", path, x)


def _tflite(path: Path, x: Array, chain: Chain) -> tuple[str, Array | None]:
    name, package = next(
        (pair for pair in _TFLITE if importlib.util.find_spec(pair[1]) is not None),
        ("a TFLite runtime", "ai_edge_litert"),
    )
    handed = [f"{taken}:{given}" for taken, given in chain.handed]
    return name, _in_child(name, (package,), "tflite_child", path, x, *handed)


_TFLITE = (("litert", "ai_edge_litert"), ("tflite-runtime", "tflite_runtime"))


def _saved_model(path: Path, x: Array, _chain: Chain) -> tuple[str, Array | None]:
    """A SavedModel is a program, which can write files: it is run if it only computes."""
    strange = saved_model.does_more_than_compute(path)
    if strange:
        raise _CannotRunError(f"its graph holds {strange}, which does more than compute, and is not run")
    return "tensorflow", _in_child("tensorflow", ("tensorflow",), "saved_model_child", path, x)


def _in_child(name: str, packages: tuple[str, ...], module: str, path: Path, x: Array, *more: str) -> Array | None:
    """What a runtime gives in a process of its own; None if a package that it needs is not installed."""
    if any(importlib.util.find_spec(package) is None for package in packages):
        return None
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        question, answer = Path(folder, "question.npy"), Path(folder, "answer.npy")
        np.save(question, x)
        words = (path, question, answer, *more)
        command = [sys.executable, "-P", "-m", f"edge_lstm.importers.{module}", *map(str, words)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise VerificationError(
                f"{path}: {name} does not end within {_SECONDS:.0f} s; --no-compare takes it unchecked"
            ) from error
        if done.returncode or not answer.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise _CannotRunError(f"the {name} that is installed cannot run it ({last[:160]})")
        return np.asarray(np.load(answer))


_RUNTIMES: dict[str, Callable[[Path, Array, Chain], tuple[str, Array | None]]] = {
    "onnx": _onnxruntime,
    "keras": _keras,
    "tflite": _tflite,
    "savedmodel": _saved_model,
}
