"""The whole way on real speech: recordings → float model → verified int8 bundle → live stream.

    python bench/demo.py

Every step is the command line it prints. The data are the 640 utterances in ``examples/japanese_vowels``: which of nine
men is speaking? What is made lies under ``build``, beside the bundle ``build/demo``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).with_name("edge-lstm")

PROJECT = Path("examples/japanese_vowels")
MODEL = Path("build/demo.safetensors")
CURVE = MODEL.with_suffix(".training") / "curve.jsonl"
BUNDLE = Path("build/demo")
UTTERANCE = Path("build/demo-utterance.csv")
SHOWN = 3
"""Predictions printed of the beginning and of the end of the stream."""

MADE = {
    "the bundle": BUNDLE,
    "TFLite, state inside": BUNDLE / "model_int8.tflite",
    "TFLite, state in and out": BUNDLE / "model_step_int8.tflite",
    "C sources for firmware": BUNDLE / "c",
    "what is in it, proven": BUNDLE / "manifest.json",
    "the float model": MODEL,
    "its training curve": CURVE,
    "the streamed recording": UTTERANCE,
}


def main() -> None:
    began = time.monotonic()
    os.chdir(ROOT)
    project = ["--project", str(PROJECT)]
    step("Train an LSTM in Keras, on 270 utterances", ["train", *project, "-o", str(MODEL)])
    step("Judge it on 370 others", ["evaluate", *project, "-m", str(MODEL)])
    step(
        "Calibrate, quantise, write the bundle and prove it",
        ["export", "--int8", *project, "-m", str(MODEL), "-o", str(BUNDLE)],
    )
    step("Prove it once more, every artefact against the reference", ["verify", str(BUNDLE)])
    step(
        "Run it on the emulated cores of two boards",
        ["verify", str(BUNDLE), "--board", "raspberry-pi-pico", "--board", "nucleo-f446re"],
    )
    label = write_utterance()
    stream = ["stream", str(BUNDLE), "--backend"]
    by_c = step(
        f"One sample in, one prediction out, computed in C; it is {label} who speaks", [*stream, "c"], UTTERANCE
    )
    by_reference = step("The same in NumPy, which says what C must say", [*stream, "reference"], UTTERANCE)
    if by_c != by_reference:
        sys.exit("demo: C and the reference disagree")
    print(f"\nDone in {time.monotonic() - began:.0f} s. Here it is:\n")
    for what, path in MADE.items():
        if not path.exists():
            sys.exit(f"demo: {path} is missing")
        print(f"  {what:<26}{path}")


def step(what: str, words: list[str], source: Path | None = None) -> list[str]:
    """Print a command and run it; with a source, its stdin, show only the beginning and the end of what it says."""
    piped = "" if source is None else f" < {source}"
    print(f"\n# {what}\n$ edge-lstm {shlex.join(words)}{piped}", flush=True)
    if source is None:
        done = subprocess.run([PROGRAM, *words])
        lines = []
    else:
        with source.open() as samples:
            done = subprocess.run([PROGRAM, *words], stdin=samples, stdout=subprocess.PIPE, text=True)
        lines = done.stdout.splitlines()
        print("\n".join([*lines[:SHOWN], "…", *lines[-SHOWN:]]), flush=True)
    if done.returncode:
        sys.exit(f"demo: edge-lstm {words[0]} ended with exit code {done.returncode}")
    return lines


def write_utterance() -> str:
    """Write the longest utterance of the test part as CSV, one sample a line; the label of its speaker."""
    test = prepare(load_project(PROJECT)).part("test")
    recording = max(test.recordings, key=lambda r: r.steps)
    header = ",".join(test.channels)
    np.savetxt(UTTERANCE, recording.series, fmt="%.9g", delimiter=",", header=header, comments="")
    return str(recording.label)


if __name__ == "__main__":
    main()
