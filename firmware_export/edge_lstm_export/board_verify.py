"""A bundle's C on the emulated cores of boards: every output and state beside the reference, and what a step takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from edge_lstm.board import Board, Core
from edge_lstm.bundle import C_FOLDER, Bundle
from edge_lstm.errors import BundleError, MissingDependencyError, VerificationError
from edge_lstm.integer import NativeModel
from edge_lstm_export.c_source import write_c
from edge_lstm_export.difference import compare
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.golden import Golden, recordings_of, traces_of

ARITHMETIC = "native"


@dataclass(frozen=True)
class BoardCheck:
    """The golden recordings of a bundle on one board's core.

    Args:
        steps, bytes: how much was compared: outputs, hidden and cell states after every step.
        mismatches: codes that differ.
        unit: of ``typical`` and ``worst``: ``instructions`` or ``cycles`` of a whole step, head included.
        stack_bytes: the most that a step had on the stack.
        emulator: simulated by this; nothing here is hardware.
        not_run: why nothing was compared, where that is so.
        missing: whether it could have run, were something installed.
    """

    board: str
    core: str
    kernels: str
    emulator: str = ""
    steps: int = 0
    bytes: int = 0
    mismatches: int = 0
    first_mismatch: str | None = None
    unit: str = ""
    typical: int = 0
    worst: int = 0
    stack_bytes: int = 0
    not_run: str | None = None
    missing: bool = False


@dataclass(frozen=True)
class BoardReport:
    """Checks of one bundle, a board each."""

    checks: tuple[BoardCheck, ...]

    def require_ok(self) -> None:
        """Raise unless every board that could be checked was, and agrees.

        Raises:
            VerificationError: if a board disagrees with the reference.
            MissingDependencyError: if an emulator or a compiler is not installed, or nothing ran at all.
        """
        for check in self.checks:
            if check.mismatches:
                raise VerificationError(
                    f"{check.board}: {check.mismatches} codes differ, first {check.first_mismatch} ({check.emulator})"
                )
        not_run = [check for check in self.checks if check.not_run]
        missing = [check for check in not_run if check.missing]
        if missing or len(not_run) == len(self.checks):
            first = (missing or not_run)[0]
            raise MissingDependencyError(f"{first.board} was not checked: {first.not_run}")

    def to_json(self) -> dict[str, Any]:
        return {"checks": [{k: v for k, v in vars(c).items() if v not in (None, "")} for c in self.checks]}


def verify_boards(bundle: Bundle, boards: Sequence[Board], toolchain: str | None = None) -> BoardReport:
    """Run the golden recordings of a bundle on the emulated core of each board; boards of one core share a run.

    Args:
        toolchain: compiler to use; None takes the first that each core's file names.

    Raises:
        BundleError: if the bundle has no integers.
        ExportError: if the model cannot be written or compiled for a core.
    """
    return BoardReport(tuple(_checks(bundle, boards, toolchain)))


def _checks(bundle: Bundle, boards: Sequence[Board], toolchain: str | None) -> Iterator[BoardCheck]:
    by_core: dict[str, BoardCheck] = {}
    for board in boards:
        core = board.core
        if core.name not in by_core:
            by_core[core.name] = check_core(bundle, core, toolchain)
        yield replace(by_core[core.name], board=board.name)


def check_core(bundle: Bundle, core: Core, toolchain: str | None = None) -> BoardCheck:
    """The golden recordings of a bundle on a core, of no board in particular.

    Raises:
        BundleError, ExportError: as ``verify_boards``.
    """
    empty = BoardCheck("", core.title, core.kernels)
    if not core.emulator:
        return replace(empty, not_run="unchecked: no emulator is known for this core")
    golden, window = _golden(bundle), bundle.interface.task.window
    codes = [golden[f"{k}.codes"] for k in range(recordings_of(golden))]
    model = cast(NativeModel, bundle.model(ARITHMETIC))
    layout = Layout(len(model.interface.channels), len(model.head.bias), tuple(layer.units for layer in model.layers))
    try:
        done = emulate(core, program(core, sources(bundle, core), toolchain), layout, codes, window)
    except MissingDependencyError as error:
        return replace(empty, not_run=str(error), missing=True)
    compared = compare(traces_of(golden), done.traces)
    return replace(
        empty,
        emulator=done.emulator,
        steps=compared.steps,
        bytes=compared.bytes,
        mismatches=compared.mismatches,
        first_mismatch=None if compared.first is None else str(compared.first),
        unit=done.unit,
        typical=int(np.median(done.counts)),
        worst=int(done.counts.max()),
        stack_bytes=done.stack_bytes,
    )


def _golden(bundle: Bundle) -> Golden:
    if ARITHMETIC not in bundle.arithmetics:
        raise BundleError(f"{bundle.path}: holds no integers for a board; export it with --int8")
    return bundle.golden(ARITHMETIC)


def sources(bundle: Bundle, core: Core) -> dict[str, bytes]:
    """The C of a bundle for a core: what lies in it if it has that core's kernels, else written anew from its integers.

    Raises:
        ExportError: if the kernels cannot hold the model.
    """
    if bundle.manifest.get("c", {}).get("kernels") != core.kernels:
        return write_c(cast(NativeModel, bundle.model(ARITHMETIC)), kernel_set_name=core.kernels)
    names = [name.removeprefix(f"{C_FOLDER}/") for name in bundle.manifest["files"] if name.startswith(f"{C_FOLDER}/")]
    kept = [name for name in names if "/" not in name and name.endswith((".c", ".h"))]
    return {name: bundle.file(f"{C_FOLDER}/{name}").read_bytes() for name in kept}
