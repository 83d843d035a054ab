"""What a stream costs on a board besides its steps, side by side in one run on this computer.

    python bench/on_board.py BUNDLE [--program PATH] [--steps 10000000]

Start: from the start of a process to its first prediction, one sample on stdin, of `edge-lstm stream --backend c`, of
the bundle's static program, and of tflite-runtime (import, load, first invoke). Memory: the most each ever held
resident (VmHWM) until then. The contestants take turns; figures are medians. Then the static program is fed so many
steps: each must give a prediction, and its resident memory must not grow. The exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from machine import machine
from safetensors.numpy import load_file

from edge_lstm.bundle import GOLDEN, TFLITE_FUSED, Bundle

ROUNDS = 9
STEPS = 10_000_000
BLOCK = 1 << 16
"""Bytes read of the program's output at a time."""

SETTLED = 0.05
"""Share of the steps after which memory must stay as it is."""

TFLITE = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
for line in sys.stdin:
    sample = np.array(line.split(","), np.float32)
    interpreter.set_tensor(given["index"], sample.astype(given["dtype"]).reshape(given["shape"]))
    interpreter.invoke()
    print(interpreter.get_tensor(made["index"]).argmax(), flush=True)
"""


@dataclass(frozen=True)
class Contestant:
    """A command that answers a line with a line, and what it is held to; None is no target."""

    name: str
    command: Sequence[str | Path]
    start_s: float | None = None
    memory_kb: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--program", type=Path, help="the static program, if the bundle does not hold it")
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    bundle = Bundle.open(asked.bundle)
    held = f"linux/{platform.machine()}/edge-lstm-stream"
    program = asked.program or bundle.path / held
    samples = lines_of(bundle)
    print(f"{machine()}\n{bundle.path}: first prediction and most resident memory, medians of {ROUNDS} starts\n")
    missed = starts(contestants(bundle, program), samples[0])
    if program.exists():
        missed += endure([program, "--every-step"], samples, asked.steps)
    else:
        print(f"edge-lstm-stream: not in this bundle ({held})")
    if missed:
        sys.exit("\n".join(missed))


def lines_of(bundle: Bundle) -> list[str]:
    """The golden recordings of the bundle, a CSV line a step, in physical units."""
    golden = load_file(bundle.file(GOLDEN.format(arithmetic="native")))
    recordings = [golden[key] for key in sorted(golden) if key.endswith(".physical")]
    return [",".join(map(repr, map(float, row))) + "\n" for row in np.concatenate(recordings)]


def contestants(bundle: Bundle, program: Path) -> list[Contestant]:
    edge_lstm = Path(sys.executable).with_name("edge-lstm")
    every = [
        Contestant("edge-lstm stream", [edge_lstm, "stream", bundle.path, "--backend", "c", "--every-step"], 0.3),
        Contestant("edge-lstm-stream", [program, "--every-step"], 0.02, 2048),
        Contestant("tflite-runtime", [sys.executable, "-c", TFLITE, bundle.file(TFLITE_FUSED)]),
    ]
    return [each for each in every if each.name != "edge-lstm-stream" or program.exists()]


def starts(every: list[Contestant], sample: str) -> list[str]:
    """Print a row a contestant; what missed its target."""
    seen: dict[str, list[tuple[float, float, int]]] = {each.name: [] for each in every}
    for _, each in itertools.product(range(ROUNDS), every):
        seen[each.name].append(first_prediction(each.command, sample))
    missed = []
    for each in every:
        start, processor, memory = map(median, zip(*seen[each.name], strict=True))
        print(f"{each.name:<18}{start * 1e3:9.1f} ms{processor * 1e3:9.1f} ms of processor time{memory:11,.0f} kB")
        for what, value, limit in (("s to start", start, each.start_s), ("kB", memory, each.memory_kb)):
            if limit is not None and value > limit:
                missed.append(f"{each.name}: {value:,.3g} {what}; the target is {limit:,}")
    print()
    return missed


def first_prediction(command: Sequence[str | Path], sample: str) -> tuple[float, float, int]:
    """From the start of a process to its answer to a sample: seconds, seconds of processor time, most kB resident."""
    began = time.perf_counter()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(sample)
        process.stdin.flush()
        answer = process.stdout.readline()
        took = time.perf_counter() - began
        processor, memory = processor_time(process.pid), resident(process.pid, "VmHWM")
        process.stdin.close()
        complaint = process.stderr.read()
    if not answer or process.returncode:
        sys.exit(f"{command[0]}: no prediction, exit code {process.returncode}: {complaint}")
    return took, processor, memory


def processor_time(pid: int) -> float:
    """Seconds that its threads have run; of threads that have ended it knows nothing."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident(pid: int, field: str) -> int:
    """kB, of ``/proc/PID/status``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def endure(command: Sequence[str | Path], samples: list[str], steps: int) -> list[str]:
    """Feed the steps; a prediction each, and no growth of resident memory once it has settled."""
    began, counted = time.perf_counter(), 0
    memory: list[tuple[int, int]] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        feeder = threading.Thread(target=feed, args=(process, samples, steps))
        feeder.start()
        while block := process.stdout.read1(BLOCK):  # type: ignore[attr-defined]
            counted += block.count(b"\n")
            if not memory or counted >= memory[-1][0] + steps // 100:
                memory.append((counted, resident(process.pid, "VmRSS")))
        feeder.join()
    settled = [kb for step, kb in memory if step >= SETTLED * steps]
    took = time.perf_counter() - began
    print(f"edge-lstm-stream: {steps:,} steps in {took:.0f} s, {counted:,} predictions")
    low, high = min(settled), max(settled)
    print(f"VmRSS {memory[0][1]:,} kB at first, {low:,} to {high:,} kB in {len(settled)} later samples")
    missed = []
    if counted != steps or process.returncode:
        missed.append(f"edge-lstm-stream: {counted:,} predictions of {steps:,} steps, exit code {process.returncode}")
    if settled[-1] > settled[0]:
        missed.append(f"edge-lstm-stream: resident memory grew from {settled[0]:,} to {settled[-1]:,} kB")
    return missed


def feed(process: subprocess.Popen[bytes], samples: list[str], steps: int) -> None:
    assert process.stdin is not None
    block = "".join(samples).encode()
    whole, rest = divmod(steps, len(samples))
    for _ in range(whole):
        process.stdin.write(block)
    process.stdin.write("".join(samples[:rest]).encode())
    process.stdin.close()


if __name__ == "__main__":
    main()
