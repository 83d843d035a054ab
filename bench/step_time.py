"""What a step costs from Python on this computer, beside tflite-runtime, in one run.

    python bench/step_time.py [--quick]

One LSTM layer of random weights and a head of six outputs, at four shapes, over the same recording. The contestants
take turns, round after round, so that whatever else the computer does meets all of them. Figures are medians of the
rounds, in processor time: all of them compute in one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import machine
from numpy.typing import NDArray
from random_models import random_float, smooth
from tflite_runtime.interpreter import Interpreter

from edge_lstm.compiler import compile_shared
from edge_lstm.model import FloatModel
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm.streaming.stream import LoadedModel
from edge_lstm_calibration import Calibration, calibrate, quantise_native, quantise_tflite
from edge_lstm_export.c_source import host_sources
from edge_lstm_export.tflite import fused_tflite

Array = NDArray[Any]

SHAPES = ((8, 16), (8, 32), (40, 64), (10, 128))
"""(features, units)."""

OUTPUTS, STEPS, ROUNDS = 6, 1000, 15

STEP, CHUNK = 10, 12
"""How many times faster than tflite-runtime a step and a step of a chunk are to be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--quick", action="store_true", help="three rounds")
    rounds = 3 if parser.parse_args().quick else ROUNDS
    print(f"{machine()}\nµs of processor time a step, median of {rounds} rounds of {STEPS} steps")
    print("× is tflite-runtime's time over ours\n")
    print("features units   tflite-runtime     CLibrary.step      CLibrary.run       Stream.push       push and label")
    missed = []
    for features, units in SHAPES:
        times = race(contestants(random_float(features, [units], OUTPUTS)), rounds)
        base, *ours = times.values()
        columns = "".join(f"{own:9.2f} ×{base / own:<6.1f}  " for own in ours)
        print(f"{features:8} {units:5} {base:16.2f}  {columns}".rstrip(), flush=True)
        for name, times_faster in (("CLibrary.step", STEP), ("CLibrary.run", CHUNK), ("Stream.push", STEP)):
            if base < times_faster * times[name]:
                missed.append(f"{name} at ({features}, {units}) is not {times_faster} times as fast")
    print(
        "\n"
        + ("; ".join(missed) or f"A step and a push are {STEP} times as fast everywhere, a step of a chunk {CHUNK}.")
    )


def contestants(model: FloatModel) -> dict[str, Callable[[], object]]:
    """Name → a function that takes the whole recording; tflite-runtime first."""
    samples = smooth(len(model.interface.channels), STEPS)
    calibration = calibrate(model, [samples])
    return {"tflite-runtime": tflite_steps(model, calibration, samples), **c_steps(model, calibration, samples)}


def tflite_steps(model: FloatModel, calibration: Calibration, samples: Array) -> Callable[[], object]:
    """set_tensor, invoke and get_tensor of the fused int8 file, on arrays that need no conversion."""
    quantised = quantise_tflite(model, calibration)
    interpreter = Interpreter(model_content=fused_tflite(quantised), num_threads=1)
    interpreter.allocate_tensors()
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    codes = [row.astype(x["dtype"]).reshape(x["shape"]) for row in quantised.encoding.encode(samples)]

    def one(sample: Array) -> None:
        interpreter.set_tensor(x["index"], sample)
        interpreter.invoke()
        interpreter.get_tensor(y["index"])

    return lambda: each(one, codes)


def c_steps(model: FloatModel, calibration: Calibration, samples: Array) -> dict[str, Callable[[], object]]:
    """The library of this computer: step by step, in one call, and as a live stream of lists in physical units.

    A prediction is decoded when it is first looked at; the last contestant looks at every one.
    """
    native = quantise_native(model, calibration)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.so"
        file.write_bytes(compile_shared(host_sources(native)))
        stepping, running, streaming = CLibrary(file), CLibrary(file), CLibrary(file)
    codes = native.encoding.encode(samples).astype(np.int16)
    rows, pushed = list(codes), samples.tolist()
    stream = LoadedModel(native, streaming, "native", "bench").stream()
    looked_at = stream.another()
    return {
        "CLibrary.step": lambda: each(stepping.step, rows),
        "CLibrary.run": lambda: running.run(codes),
        "Stream.push": lambda: each(stream.push, pushed),
        "push and label": lambda: each(lambda x: looked_at.push(x).label, pushed),  # type: ignore[union-attr]
    }


def each(function: Callable[[Array], object], samples: Iterable[Array]) -> None:
    for sample in samples:
        function(sample)


def race(runners: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Name → median µs a step; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds + 1):
        for name, run in runners.items():
            began = time.process_time()
            run()
            times[name].append((time.process_time() - began) / STEPS * 1e6)
    return {name: median(taken[1:]) for name, taken in times.items()}


if __name__ == "__main__":
    main()
