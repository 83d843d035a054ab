"""Vela, Arm's compiler for the Ethos-U, on one ``.tflite`` file: the compiled file, and where Vela put each operator.

Cycles and times are Vela's estimates. No Ethos-U runs here, so what the compiled file computes is unchecked.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm_export.npu.configurations import MEMORY_MODE, Npu
from edge_lstm_export.npu.process import run_compiler

_KIB = 1024


@dataclass(frozen=True)
class OnCpu:
    """An operator that Vela leaves to the CPU.

    Args:
        tensor: its output's name.
        reason: in Vela's words.
    """

    operator: str
    tensor: str
    reason: str


@dataclass(frozen=True, eq=False)
class Placement:
    """A file compiled for one NPU.

    Args:
        source: name of the ``.tflite`` file it was made from.
        content: the compiled file.
        on_npu: how many of Vela's operators, by kind; Vela takes one of TFLite apart into several.
        on_cpu: operators of the TFLite file.
        sram: arena in use, bytes.
        flash: constants and weights as the NPU reads them, bytes.
        weights, encoded_weights: bytes before and after Vela's compression.
        cycles: of one step, memory included: an estimate.
        npu_cycles: what the NPU alone would take: an estimate.
        seconds: of one step at the clock of the NPU's system: an estimate.
    """

    source: str
    content: bytes = field(repr=False)
    on_npu: Mapping[str, int]
    on_cpu: tuple[OnCpu, ...]
    sram: int
    flash: int
    weights: int
    encoded_weights: int
    cycles: int
    npu_cycles: int
    seconds: float

    @property
    def percent(self) -> float:
        """Of the operators, on the NPU."""
        npu = sum(self.on_npu.values())
        return 100.0 * npu / max(npu + len(self.on_cpu), 1)

    @property
    def complete(self) -> bool:
        """Whether every operator is on the NPU."""
        return not self.on_cpu

    def to_json(self) -> dict[str, Any]:
        values = {key: value for key, value in vars(self).items() if key not in ("source", "content")}
        return {"percent": self.percent, **values, "on_cpu": [vars(each) for each in self.on_cpu]}


def vela_version() -> str:
    """The installed version of Vela.

    Raises:
        MissingDependencyError: if there is none.
    """
    try:
        return version("ethos-u-vela")
    except PackageNotFoundError as error:
        raise MissingDependencyError(
            "compiling for an Ethos-U needs Vela, which is not installed: pip install 'edge-lstm[npu]'"
        ) from error


def compile_with_vela(source: str, content: bytes, npu: Npu, states: Sequence[str] = ()) -> Placement:
    """One file for one NPU. The same file gives the same bytes.

    Args:
        source: its name, such as ``model_int8.tflite``.
        states: variable tensors that must keep their values from one call to the next.

    Raises:
        MissingDependencyError: if Vela is not installed.
        ExportError: if Vela cannot compile the file, or would write over a state.
    """
    name = f"Vela {vela_version()}"
    command = [sys.executable, "-m", "ethosu.vela", source, "--output-dir", ".", "--accelerator-config", npu.name]
    command += ["--config", "Arm/vela.ini", "--system-config", npu.system, "--memory-mode", MEMORY_MODE]
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as work:
        folder = Path(work)
        (folder / source).write_bytes(content)
        done = run_compiler(name, [*command, "--verbose-performance", "--verbose-allocation"], source, folder)
        if done.returncode:
            raise ExportError(
                f"{source}: {name} for {npu.name}: {first_complaint(done.stderr)}; export without --npu, or try another"
            )
        _require_states_kept(source, states, done.stdout)
        try:
            return _placement(source, npu, folder, done.stdout)
        except (OSError, KeyError, ValueError) as error:
            raise ExportError(
                f"{source}: the report of {name} is not one this version reads ({error!r}); "
                "pip install --upgrade 'edge-lstm[npu]'"
            ) from error


def first_complaint(output: str) -> str:
    """The first line with an error in it, with the rules of Vela's that follow, without Python's traceback."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    at = next((k for k, line in enumerate(lines) if re.match(r"\w*Error: ", line)), None)
    if at is None:
        return lines[-1] if lines else "failed and said nothing"
    rules = [line for line in lines[at + 1 :] if line.startswith("- ")]
    return " ".join([re.sub(r"^(\w*Error: |Compilation failed: )+", "", lines[at]), *rules])


def _placement(source: str, npu: Npu, folder: Path, told: str) -> Placement:
    stem = Path(source).stem
    rows = _table(folder / f"{stem}_per-layer.csv")
    (total,) = _table(folder / f"{stem}_summary_{npu.system}.csv")
    reasons = dict(re.findall(r"operator: \w+, ofm: '(.*)'\nReason: (.*)", told))
    left = [row for row in rows if row["Target"] == "CPU"]
    return Placement(
        source,
        (folder / f"{stem}_vela.tflite").read_bytes(),
        dict(sorted(Counter(row["NNG Operator"] for row in rows if row["Target"] == "NPU").items())),
        tuple(
            OnCpu(row["Original Operator"], row["Name"], reasons.get(row["Name"], "Vela gives no reason"))
            for row in left
        ),
        sram=round(float(total["sram_memory_used"]) * _KIB),
        flash=round(float(total["off_chip_flash_memory_used"]) * _KIB),
        weights=int(total["total_original_weights"]),
        encoded_weights=int(total["total_npu_encoded_weights"]),
        cycles=int(total["cycles_total"]),
        npu_cycles=int(total["cycles_npu"]),
        seconds=float(total["inference_time"]),
    )


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


_ALLOCATED = re.compile(r"^ *\d+ - +\d+: +0x([0-9a-f]+) - +0x([0-9a-f]+):.*: (.*?) *$", re.MULTILINE)
"""A line of Vela's allocation table: lifetime, first and last address, size, use, format, name."""


def _require_states_kept(source: str, states: Sequence[str], told: str) -> None:
    """A state survives from call to call if it has one place in the arena and nothing else is ever written there."""
    arena = told.split("Tensor Allocation for read-only")[0]
    places = {(int(first, 16), int(last, 16), name) for first, last, name in _ALLOCATED.findall(arena)}
    for state in states:
        own = [place for place in places if place[2] == state]
        others = [p for p in places if p[2] != state and any(p[0] < last and first < p[1] for first, last, _ in own)]
        if len(own) != 1 or others:
            found = f"shares its place with {others[0][2]}" if others else f"has {len(own)} places in the arena"
            raise ExportError(
                f"{source}: compiled by Vela, the state {state} {found}, so it would not survive from step to step; "
                "export without --npu and use the CPU"
            )
