"""A runtime in a process of its own.

tflite-runtime breaks where TensorFlow was imported, and a kernel that crashes takes its process with it. So whoever
checks a model runs it here: jobs go in as one safetensors file, traces come back as another, and a crash becomes an
error that names the runtime and the signal.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from edge_lstm import errors
from edge_lstm.errors import EdgeLstmError, VerificationError
from edge_lstm.runtimes.base import Array, Runtime, State

_TIMEOUT_S = 600.0
_REQUEST, _ANSWER = "request.safetensors", "answer.safetensors"


@dataclass(frozen=True, eq=False)
class Job:
    """Recordings for one model file.

    Args:
        model_file: a ``.tflite`` file.
        codes: recordings (T_k, C), each run from zero state.
        chunk: steps a call; 1 goes sample by sample through ``step``.
        window: zero the state at the start of every ``window`` steps; None carries it to the end.
    """

    model_file: Path
    codes: Sequence[Array]
    chunk: int = 1
    window: int | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """What a runtime computed on one recording.

    Args:
        outputs: (T, O).
        states: (h, c) of each layer after every call: (T, H) for single steps, (calls, H) for chunks.
    """

    outputs: Array
    states: State


def run_isolated(
    runtime: str, model_file: Path, codes: Sequence[Array], chunk: int = 1, window: int | None = None
) -> list[Trace]:
    """Traces of one model file, one a recording. See ``run_jobs``."""
    return run_jobs(runtime, [Job(Path(model_file), codes, chunk, window)])[0]


def run_jobs(runtime: str, jobs: Sequence[Job]) -> list[list[Trace]]:
    """Traces of each job's recordings, all computed in one child process.

    Args:
        runtime: a name in ``RUNTIMES``.

    Raises:
        VerificationError: if the runtime crashes or does not finish.
        EdgeLstmError: whatever the runtime raises in the child, raised again here.
    """
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        _write_request(Path(folder) / _REQUEST, runtime, jobs)
        _run_child(runtime, folder)
        return _read_answer(Path(folder) / _ANSWER, jobs)


def _run_child(runtime: str, folder: str) -> None:
    command = [sys.executable, "-m", "edge_lstm.runtimes.worker", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise VerificationError(
            f"runtime {runtime} did not finish within {_TIMEOUT_S:.0f} s and was stopped; give it fewer recordings"
        ) from error
    if done.returncode < 0:
        raise VerificationError(
            f"runtime {runtime} crashed with {signal.Signals(-done.returncode).name}; the model file is one it cannot "
            "run: export it anew, or leave this runtime out"
        )
    if done.returncode > 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise VerificationError(f"runtime {runtime} stopped with exit code {done.returncode}: {said}")


def _write_request(path: Path, runtime: str, jobs: Sequence[Job]) -> None:
    arrays = {
        f"{j}.{k}": np.ascontiguousarray(codes) for j, job in enumerate(jobs) for k, codes in enumerate(job.codes)
    }
    described = [
        {"model_file": str(job.model_file), "recordings": len(job.codes), "chunk": job.chunk, "window": job.window}
        for job in jobs
    ]
    save_file(arrays, path, {"runtime": runtime, "jobs": json.dumps(described)})


def _read_answer(path: Path, jobs: Sequence[Job]) -> list[list[Trace]]:
    with safe_open(path, framework="numpy") as answer:
        header = answer.metadata() or {}
        if "error" in header:
            raise getattr(errors, header["error"])(header["message"])
        arrays = {name: answer.get_tensor(name) for name in answer.keys()}  # noqa: SIM118  (not a dictionary)
    layers = json.loads(header["layers"])
    return [
        [Trace(arrays[f"{j}.{k}.y"], _states(arrays, f"{j}.{k}", layers[j])) for k in range(len(job.codes))]
        for j, job in enumerate(jobs)
    ]


def _states(arrays: dict[str, Array], recording: str, layers: int) -> State:
    return tuple((arrays[f"{recording}.{layer}.h"], arrays[f"{recording}.{layer}.c"]) for layer in range(layers))


# The child's side.


def _tflite_runtime(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.tflite_runtime import tflite_runtime

    return tflite_runtime(model_file)


def _litert(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.litert import litert

    return litert(model_file)


def _tflm(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.tflm import tflm

    return tflm(model_file)


def _c(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.c_library import CLibrary

    return CLibrary(model_file)


def _c_tflm(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.c_tflm import CTflmLibrary

    return CTflmLibrary(model_file)


def _onnxruntime(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.onnx import OnnxSession

    return OnnxSession(model_file)


def _keras(model_file: Path) -> Runtime:
    from edge_lstm.runtimes.keras import KerasModel

    return KerasModel(model_file)


RUNTIMES: dict[str, Callable[[Path], Runtime]] = {
    "c": _c,
    "c-tflm": _c_tflm,
    "onnxruntime": _onnxruntime,
    "keras": _keras,
    "tflite-runtime": _tflite_runtime,
    "litert": _litert,
    "tflm": _tflm,
}


def main(folder: Path) -> None:
    """Do the jobs in a folder; an error of the library goes back as an answer."""
    try:
        arrays, header = _answer(folder / _REQUEST)
    except EdgeLstmError as error:
        arrays, header = {}, {"error": type(error).__name__, "message": str(error)}
    save_file(arrays, folder / _ANSWER, header)


def _answer(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    arrays: dict[str, Array] = {}
    layers = []
    with safe_open(path, framework="numpy") as request:
        header = request.metadata()
        for j, job in enumerate(json.loads(header["jobs"])):
            runtime = RUNTIMES[header["runtime"]](Path(job["model_file"]))
            layers.append(len(runtime.get_state()))
            for k in range(job["recordings"]):
                trace = run(runtime, request.get_tensor(f"{j}.{k}"), job["chunk"], job["window"])
                arrays[f"{j}.{k}.y"] = trace.outputs
                for layer, (h, c) in enumerate(trace.states):
                    arrays |= {f"{j}.{k}.{layer}.h": h, f"{j}.{k}.{layer}.c": c}
    return arrays, {"layers": json.dumps(layers)}


def run(runtime: Runtime, codes: Array, chunk: int = 1, window: int | None = None) -> Trace:
    """One recording (T, C) through a runtime in this process, from zero state; see ``Job``."""
    outputs, states = [], []
    for start, stop in calls(len(codes), chunk, window):
        if start == 0 or (window is not None and start % window == 0):
            runtime.reset()
        outputs.append(runtime.step(codes[start])[None] if chunk == 1 else runtime.run(codes[start:stop]))
        states.append(runtime.get_state())
    layers = tuple((np.array([h for h, _ in own]), np.array([c for _, c in own])) for own in zip(*states, strict=True))
    return Trace(np.concatenate(outputs), layers)


def calls(steps: int, chunk: int, window: int | None) -> list[tuple[int, int]]:
    """(start, stop) of each call; a chunk ends where its window does."""
    spans = []
    start = 0
    while start < steps:
        window_end = steps if window is None else (start // window + 1) * window
        stop = min(start + chunk, window_end, steps)
        spans.append((start, stop))
        start = stop
    return spans


if __name__ == "__main__":
    main(Path(sys.argv[1]))
