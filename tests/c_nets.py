"""Integer networks that no data would give, and the C programs that tests build from them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from edge_lstm.compiler import compile_shared
from edge_lstm.integer import (
    NATIVE_CELLS,
    Affine,
    Decoding,
    Encoding,
    NativeBidirectional,
    NativeConv,
    NativeDense,
    NativeFastGrnn,
    NativeLayer,
    NativeLstm,
    NativeModel,
    NativePeepholeLstm,
    NativeRnnRelu,
    Scheme,
)
from edge_lstm.model import Activation, Interface, Scaling, Task
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm_export.c_source import host_sources

PROGRAMS = Path(__file__).parent / "c"

COMPILERS = [[name] for name in ("gcc", "clang") if shutil.which(name)] + [[sys.executable, "-m", "ziglang", "cc"]]
NATIVE_COMPILERS = [c for c in COMPILERS if "ziglang" not in c] or COMPILERS
CXX = {"gcc": ["g++"], "clang": ["clang++"], sys.executable: [sys.executable, "-m", "ziglang", "c++"]}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]


def compiler_name(command: Sequence[str]) -> str:
    return "zig" if "ziglang" in command else command[0]


def random_native(
    seed: int,
    features: int,
    units: Sequence[int],
    outputs: int,
    scheme: Scheme = "w8a16",
    hidden_bits: int = 9,
    limits: NDArray[Any] | None = None,
) -> NativeModel:
    """A network of random integers within the rules of the arithmetic: rows from quiet to always saturated.

    Args:
        limits: (F,) of the input codes; random if None.
    """
    rng = np.random.default_rng(seed)
    limit = int(rng.integers(100, 2048)) if scheme == "w8a16" else 127
    layers, below = [], np.full(features, limit) if limits is None else limits
    for count in units:
        hidden = np.full(count, 1 << hidden_bits if scheme == "w8a16" else 128)
        columns = [np.concatenate([below, hidden])] if scheme == "w8a16" else [below, hidden]
        blocks = tuple(_random_rows(rng, 4 * count, limits, 9 if scheme == "w8a16" else 1) for limits in columns)
        layers.append(NativeLstm(blocks, len(below), hidden_bits))
        below = hidden
    return with_ends(tuple(layers), _random_rows(rng, outputs, below), np.full(features, limit))


def random_gated(
    seed: int, features: int, cells: Sequence[tuple[str, int]], outputs: int, scheme: Scheme, hidden_bits: int = 9
) -> NativeModel:
    """A stack of cells, each with its units, of random integers within the rules; ``lstm`` may be among them, and
    ``both-gru``, half of whose units look ahead."""
    rng = np.random.default_rng(seed)
    limit = int(rng.integers(100, 2048)) if scheme == "w8a16" else 127
    layers: list[NativeLayer] = []
    below = np.full(features, limit)
    for cell, units in cells:
        if cell.startswith("both-"):
            half = cell.removeprefix("both-")
            forward, backward = (_random_layer(rng, half, below, units // 2, scheme, hidden_bits) for _ in range(2))
            layers.append(NativeBidirectional(forward, backward, int(rng.integers(1, 5))))
        else:
            layers.append(_random_layer(rng, cell, below, units, scheme, hidden_bits))
        below = np.full(units, layers[-1].hidden_limit)
    return with_ends(tuple(layers), _random_rows(rng, outputs, below), np.full(features, limit))


def _random_layer(
    rng: np.random.Generator, cell: str, below: NDArray[Any], units: int, scheme: Scheme, hidden_bits: int
) -> Any:
    if cell == "lstm":
        seed = int(rng.integers(1 << 30))
        return random_native(seed, len(below), [units], 1, scheme, hidden_bits, below).layers[0]
    return _random_cell(rng, NATIVE_CELLS[cell], below, units, scheme, hidden_bits)


def _random_cell(
    rng: np.random.Generator, kind: Any, below: NDArray[Any], units: int, scheme: Scheme, hidden_bits: int
) -> NativeLayer:
    numbers: dict[str, Any] = {"scheme": scheme, "row_bits": int(rng.integers(4, 13)), "hidden_bits": hidden_bits}
    reach = 0
    if kind is NativeFastGrnn:
        reach = int(rng.integers(0, 3))
        numbers["hidden_bits"] = min(hidden_bits, 12 - reach)
        shares = {name: int(rng.integers(0, 32768)) for name in ("zeta", "nu")}
        numbers |= {**shares, "reach_bits": reach, "candidate": rng.integers(-32768, 32768, units)}
    if issubclass(kind, NativeDense):
        activation = str(rng.choice(get_args(Activation)))
        reach = int(rng.integers(0, 8)) if activation in ("linear", "relu") else 0
        numbers |= {"activation": activation, "reach_bits": reach, "row_bits": int(rng.integers(8, 13))}
        numbers["hidden_bits"] = min(hidden_bits, 12 - reach)
    if kind is NativePeepholeLstm:
        spread = 1 << int(rng.integers(6, 16))
        numbers |= {"peephole": rng.integers(1 - spread, spread, (3, units)), "peephole_bits": int(rng.integers(6, 21))}
    if kind is NativeRnnRelu:
        reach = int(rng.integers(0, 8))
        numbers |= {"reach_bits": reach, "row_bits": int(rng.integers(8, 13))}
        numbers["hidden_bits"] = min(hidden_bits, 12 - reach)
    if kind is NativeConv:
        numbers["taps"] = int(rng.integers(2, 6))
        below = np.tile(below, numbers["taps"])
    hidden = np.full(units, 128 if scheme == "w8a8" else 1 << (numbers["hidden_bits"] + reach))
    blocks = [_random_rows(rng, n * units, below if over == "x" else hidden) for n, over in kind.rows]
    return kind(tuple(blocks), **numbers)


def _random_rows(rng: np.random.Generator, rows: int, limits: NDArray[Any], least_shift: int = 9) -> Affine:
    weights = rng.integers(-127, 128, (rows, len(limits)))
    bias = rng.integers(-(1 << 21), 1 << 21, rows) // (1 << rng.integers(0, 16, rows))
    reach = np.abs(weights) @ limits + np.abs(bias)
    shrink = np.minimum(1.0, 0.99 * (1 << 23) / reach)[:, None]
    weights = np.trunc(weights * shrink)
    bias = np.trunc(bias * shrink[:, 0])
    assert (np.abs(weights) @ limits + np.abs(bias)).max() < 1 << 23
    return Affine(weights, bias, rng.integers(128, 256, rows), rng.integers(least_shift, 19, rows))


def with_ends(layers: tuple[NativeLayer, ...], head: Affine, limit: NDArray[Any]) -> NativeModel:
    """Layers and head with an encoding, a decoding and names around them."""
    features, outputs = layers[0].features, len(head.bias)
    channels = tuple(f"c{k}" for k in range(features))
    task = Task("regress", tuple(f"y{k}" for k in range(outputs)))
    interface = Interface(channels, Scaling.identity(features), task, Scaling.identity(outputs))
    encoding = Encoding(np.zeros(features), np.full(features, 100.0), 0, -limit, limit)
    return NativeModel(layers, head, encoding, Decoding(2.0**-10), interface)


def random_codes(model: NativeModel, steps: int, seed: int = 0) -> NDArray[Any]:
    """(T, C) codes over the whole range, with runs at both limits."""
    rng = np.random.default_rng(seed)
    low, high = model.encoding.low, model.encoding.high
    codes = rng.integers(low, high + 1, (steps, len(low)))
    at_limit = rng.random(steps)
    return np.where((at_limit < 0.1)[:, None], high, np.where((at_limit > 0.9)[:, None], low, codes))


def library(folder: Path, model: Any, defines: Sequence[str] = ()) -> CLibrary:
    """The model's C, compiled as it ships."""
    path = folder / f"lib{len(list(folder.iterdir()))}.so"
    path.write_bytes(compile_shared(host_sources(model), defines))
    return CLibrary(path)


def place(folder: Path, sources: Mapping[str, bytes]) -> list[str]:
    """Write the sources; the names of those a compiler takes."""
    for name, content in sources.items():
        (folder / name).write_bytes(content)
    return sorted(name for name in sources if name.endswith(".c"))


def run(command: Sequence[str], folder: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a tool in ``folder``; its complaint is the test's."""
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[:3000]}"
    return done
