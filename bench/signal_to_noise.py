"""How much of the float network's output the integers keep, on the mean of eight slightly different networks.

    python bench/signal_to_noise.py [--tasks sines,har] [--copies 8] [--quick] [--fresh]

Rounding weights to int8 is a draw: the same variant moves by ±3 dB for irrelevant changes. So every figure is a mean
over copies whose weights were multiplied by (1 + 0.002·N(0, 1)), each against its own float64 reference. The ratio is
10·log10(variance of the outputs / mean squared error), in dB; ``tflite`` and ``tflm`` are judged with the int8 output
of their head, ``tflite/`` without. All figures go to ``build/bench/signal_to_noise.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from accuracy import OUTPUT, Case, prepare, trained
from machine import machine
from numpy.typing import NDArray
from recipes import Recipe

from edge_lstm.datasets import Dataset, Recording, TaskSpec
from edge_lstm.datasets.sequences import make_sequences, task_of
from edge_lstm.integer import Arithmetic, IntegerModel, TfliteModel
from edge_lstm.integer_step import StepModel
from edge_lstm.metrics import agreement, signal_to_noise
from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights, Scaling
from edge_lstm.reference import Network, network, replay
from edge_lstm_calibration import Calibration, calibrate, quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_calibration.rounding import ROUNDINGS

Array = NDArray[Any]
AnyInteger = IntegerModel | StepModel

COPIES, SPREAD = 8, 0.002
STREAM_STEPS, STREAMS = 4000, 4
RECORDINGS = 300
LONG_STEPS = 100_000
MOST_GROWTH = 1.3
"""The root mean square error of the last fifth of a long stream, at most, as a multiple of the first fifth's."""
LEAST_AGREEMENT = 0.99
_LONG = ("w8a16", "w8a8", "tflite")


@dataclass(frozen=True)
class Variant:
    """A column of the table: what makes the integers, and what computes them."""

    quantise: Callable[[FloatModel, Calibration, str], AnyInteger]
    arithmetic: Arithmetic | None = None
    wide_output: bool = False


def _native(scheme: Any) -> Callable[[FloatModel, Calibration, str], AnyInteger]:
    return lambda model, calibration, rounding: quantise_native(model, calibration, scheme, rounding)


VARIANTS: dict[str, Variant] = {
    "w8a16": Variant(_native("w8a16")),
    "w8a8": Variant(_native("w8a8")),
    "tflite": Variant(quantise_tflite, "tflite"),
    "tflite/": Variant(quantise_tflite, "tflite", wide_output=True),
    "tflm": Variant(quantise_tflite, "tflm"),
    "step": Variant(quantise_step, "tflite"),
}
"""``tflite/`` leaves the head's accumulators as they are: what its int8 output code costs is the difference."""

RECORDED: dict[str, dict[str, float]] = {
    "sines": {"w8a16": 51.6, "w8a8": 40.1, "tflite/": 37.5},
    "accum": {"w8a16": 43.0, "w8a8": 34.0, "tflite/": 37.3},
    "mt": {"w8a16": 56.0, "w8a8": 36.6, "tflite/": 40.5},
    "fsdd": {"w8a16": 44.0, "w8a8": 43.0, "tflite/": 40.8},
    "har": {"w8a16": 43.5, "w8a8": 42.3, "tflite/": 39.6},
}
"""Means measured when the arithmetics were designed, on other networks of the same tasks, all weights rounded to
nearest and ranges from minimum to maximum."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network, the recordings to calibrate on and others to judge on, physical (T, C)."""

    name: str
    model: FloatModel
    calibration: list[Array]
    judged: list[Array]


def sines(seed: int) -> tuple[Array, Array]:
    """Two mixtures of three tones, (T, 2), and the first of them one step ahead, (T, 1)."""
    rng = np.random.default_rng((1, seed))
    t = np.arange(4001)
    tones = np.array([np.sin(2 * np.pi * (t / period + rng.random())) for period in (17.3, 41.9, 107.0)])
    noise = rng.normal(0, 0.02, (2, len(t)))
    series = (np.array([[0.6, 0.9, 0.5], [-0.4, 0.3, 0.8]]) @ tones + noise).T
    return series[:-1], series[1:, :1]


def running_sum(seed: int) -> tuple[Array, Array]:
    """Increments and a flag that starts the sum anew, (T, 2), and the sum so far, (T, 1), within about ±1."""
    rng = np.random.default_rng((2, seed))
    increments = rng.normal(0, 0.08, 4000)
    resets = rng.random(4000) < 1 / 30
    total, sums = 0.0, np.empty((4000, 1))
    for step, (increment, reset) in enumerate(zip(increments, resets, strict=True)):
        total = float(np.clip((0.0 if reset else total) + increment, -1, 1))
        sums[step] = total
    return np.stack([increments, resets], axis=1), sums


GENERATORS = {"sines": sines, "accum": running_sum}
_SYNTHETIC = Recipe({"model": {"units": [32]}, "training": {"epochs": 40, "level_noise": 0.0}}, "rmse", None)
_SETS = {"mt": "nab_machine_temperature", "fsdd": "fsdd", "har": "har"}


def synthetic(name: str) -> Case:
    """A generated task in the shape of a benchmark set: 8 recordings to train on, 1 to stop by, 4 to judge."""
    parts = [_generated(name, range(0, 8)), _generated(name, range(8, 9)), _generated(name, range(9, 13))]
    task = TaskSpec("regress", at="step", chunk=250)
    interface = Interface(("x0", "x1"), Scaling.identity(2), task_of(parts[0], task, ("y",)), Scaling.identity(1))
    train, validation, test = (make_sequences(part, task, ("y",)) for part in parts)
    calibration = [np.asarray(r.series) for r in parts[0].recordings]
    return Case(name, _SYNTHETIC, _SYNTHETIC.spec(0), interface, train, validation, test, None, calibration)


def _generated(name: str, seeds: range) -> Dataset:
    made = [(seed, *GENERATORS[name](seed)) for seed in seeds]
    recordings = [Recording(str(seed), x.astype(np.float32), targets=y.astype(np.float32)) for seed, x, y in made]
    return Dataset(tuple(recordings), ("x0", "x1"), ("y",))


def subject(name: str, fresh: bool = False) -> Subject:
    """The network of a task, trained unless it is kept, and its recordings."""
    case = synthetic(name) if name in GENERATORS else prepare(_SETS[name], 0, quick=False)
    model, _ = trained(case, fresh)
    if name == "mt":  # one long series: every second stream of it is judged
        streams = _streams(np.concatenate([*case.calibration, *_series(case)]))
        return Subject(name, model, streams[::2], streams[1::2])
    if name in GENERATORS:
        judged = [np.concatenate(_series(case))[k * STREAM_STEPS :][:STREAM_STEPS] for k in range(STREAMS)]
        return Subject(name, model, [r[:STREAM_STEPS] for r in case.calibration], judged)
    return Subject(name, model, _spread(case.calibration), _spread(_series(case)))


def _series(case: Case) -> list[Array]:
    return [x[:n] for x, n in zip(case.test.inputs, case.test.lengths, strict=True)]


def _streams(series: Array) -> list[Array]:
    return [series[start : start + STREAM_STEPS] for start in range(0, len(series) - STREAM_STEPS + 1, STREAM_STEPS)]


def _spread(recordings: Sequence[Array]) -> list[Array]:
    count = min(RECORDINGS, len(recordings))
    return [recordings[k] for k in np.linspace(0, len(recordings) - 1, count).round().astype(int)]


def copy_of(model: FloatModel, seed: int) -> FloatModel:
    """The model with every weight multiplied by (1 + 0.002·N(0, 1)); biases stay."""
    rng = np.random.default_rng((3, seed))

    def near(weights: Array) -> Array:
        return np.asarray(weights * (1 + SPREAD * rng.normal(size=weights.shape)), np.float32)

    layers = [LstmWeights(near(k.kernel), near(k.recurrent), k.bias) for k in model.layers]
    return replace(model, layers=tuple(layers), head=DenseWeights(near(model.head.weights), model.head.bias))


def integer_outputs(integer: AnyInteger, variant: Variant, series: Sequence[Array], window: int | None) -> list[Array]:
    """Decoded outputs (T, O) of each recording."""
    net = network(integer, variant.arithmetic)
    if variant.wide_output:
        return replay(_without_output_codes(net, integer), [integer.encoding.encode(s) for s in series], window)
    codes = replay(net, [integer.encoding.encode(s) for s in series], window)
    return [integer.decoding.decode(y) for y in codes]


def _without_output_codes(net: Network, integer: AnyInteger) -> Network:
    if not isinstance(integer, TfliteModel):
        raise TypeError("only the int8 head of a TfliteModel has output codes worth leaving out")
    head = integer.head
    scale = head.weight_scale * head.input.scale
    return Network(net.cells, lambda h: ((h - head.input.zero) @ head.weights.T.astype(np.float64) + head.bias) * scale)


def judge(given: Subject, seed: int) -> dict[str, Any]:
    """Signal-to-noise of one copy, by variant and rounding."""
    model = copy_of(given.model, seed)
    window = model.interface.task.window
    reference = replay(network(model), [model.interface.scaling.apply(s) for s in given.judged], window)
    calibration = calibrate(model, given.calibration)
    found: dict[str, Any] = {}
    for name, variant in VARIANTS.items():
        for rounding in ROUNDINGS:
            outputs = integer_outputs(variant.quantise(model, calibration, rounding), variant, given.judged, window)
            figures: dict[str, Any] = dict(signal_to_noise(reference, outputs))
            if model.interface.task.predicts_labels:
                figures["agreement"] = agreement([y[-1:] for y in reference], [y[-1:] for y in outputs])
            found[f"{name} {rounding}"] = figures
    return found


def growth(given: Subject, name: str) -> dict[str, Any]:
    """Root mean square error of each fifth of one stream of 100,000 steps, the state carried all along."""
    generated = [GENERATORS[given.name](seed)[0] for seed in range(100, 100 + LONG_STEPS // 4000)]
    stream = [np.concatenate(generated).astype(np.float32)]
    reference = replay(network(given.model), stream)[0]
    variant = VARIANTS[name]
    integer = variant.quantise(given.model, calibrate(given.model, given.calibration), ROUNDINGS[0])
    error = integer_outputs(integer, variant, stream, None)[0] - reference
    fifths = [float(np.sqrt(np.mean(part**2))) for part in np.array_split(error, 5)]
    return {"rms": fifths, "growth": fifths[-1] / fifths[0]}


def summary(copies: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Over the copies: mean and minimum of the pooled ratio, means of the others."""
    figures = {}
    for column in copies[0]:
        each = [found[column] for found in copies]
        means = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
        figures[column] = {**means, "minimum": min(row["pooled"] for row in each)}
    return figures


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """A block a measure: tasks down, variants across, compensated rounding before nearest."""
    return "\n\n".join("\n".join(_aligned(list(_block(results, *measure)))) for measure in _MEASURES)


_MEASURES = (
    ("pooled", "mean dB of the copies, all steps pooled: compensated / nearest rounding (recorded bar)", 1.0),
    ("minimum", "minimum over the copies", 1.0),
    ("median", "median recording, mean of the copies", 1.0),
    ("p5", "5th percentile of the recordings, mean of the copies", 1.0),
    ("agreement", "top-1 agreement with float, %", 100.0),
)


def _block(results: dict[str, dict[str, dict[str, float]]], key: str, title: str, scale: float) -> Iterator[list[str]]:
    yield [title]
    yield ["", *VARIANTS]
    for name, figures in results.items():
        if key in next(iter(figures.values())):
            cells = [" / ".join(f"{figures[f'{v} {r}'][key] * scale:.1f}" for r in ROUNDINGS) for v in VARIANTS]
            bars = [f" ({RECORDED[name][v]})" if key == "pooled" and v in RECORDED[name] else "" for v in VARIANTS]
            yield [name, *(cell + bar for cell, bar in zip(cells, bars, strict=True))]


def _aligned(rows: list[list[str]]) -> list[str]:
    title, *body = rows
    widths = [max(len(row[k]) for row in body) for k in range(len(body[0]))]
    return title + ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in body]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", default=",".join(RECORDED), help=f"of {', '.join(RECORDED)}")
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--quick", action="store_true", help="one copy, no long streams: does it run at all")
    parser.add_argument("--fresh", action="store_true", help="train again even if the model is kept")
    arguments = parser.parse_args()
    names = arguments.tasks.split(",")
    unknown = [name for name in names if name not in RECORDED]
    if unknown:
        parser.error(f"task {unknown[0]!r} is not known; choose from {', '.join(RECORDED)}")
    start = time.perf_counter()
    subjects = [subject(name, arguments.fresh) for name in names]
    trained_in = time.perf_counter() - start
    copies = range(1 if arguments.quick else arguments.copies)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        endless = [] if arguments.quick else [s for s in subjects if s.name in GENERATORS]
        long = [(s.name, v, pool.submit(growth, s, v)) for s in endless for v in _LONG]
        results = {s.name: summary(list(pool.map(partial(judge, s), copies))) for s in subjects}
        streams: dict[str, dict[str, Any]] = {s.name: {} for s in endless}
        for name, variant, future in long:
            streams[name][variant] = future.result()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    report = {"copies": len(copies), "recorded": RECORDED, "tasks": results, "long_streams": streams}
    (OUTPUT / "signal_to_noise.json").write_text(json.dumps(report, indent=1, sort_keys=True))
    print(machine())
    print(table(results))
    print(f"\n{LONG_STEPS:,} steps, rms of the last fifth over the first (demand: at most {MOST_GROWTH}):")
    for name, found in streams.items():
        print(name, *(f"{variant} {figures['growth']:.3f}" for variant, figures in found.items()), sep="  ")
    print(f"\n{len(copies)} copies; tasks ready in {trained_in:.0f} s, all in {time.perf_counter() - start:.0f} s")
    missed = list(_missed(results, streams))
    print(*missed, sep="\n")
    return 1 if missed and not arguments.quick else 0


def _missed(results: dict[str, dict[str, dict[str, float]]], streams: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Demands that are not met: long streams stay bounded, native integers find the label the float network finds."""
    for name, found in streams.items():
        for variant, figures in found.items():
            if figures["growth"] > MOST_GROWTH:
                yield f"MISSED: {name} {variant} grows by {figures['growth']:.2f}, at most {MOST_GROWTH} is demanded"
    for name, table_of in results.items():
        for variant in _LONG:
            share = table_of[f"{variant} {ROUNDINGS[0]}"].get("agreement", 1.0)
            if share < LEAST_AGREEMENT:
                yield f"MISSED: {name} {variant} agrees on {share:.2%}, at least {LEAST_AGREEMENT:.0%} is demanded"


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the workers share the cores
    sys.exit(main())
