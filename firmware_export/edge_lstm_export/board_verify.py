"""A bundle's C on the emulated cores of boards: every output and state beside the reference, and what a step takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from edge_lstm.board import Board, Core
from edge_lstm.bundle import C_FOLDER, Bundle
from edge_lstm.errors import BundleError, MissingDependencyError, VerificationError
from edge_lstm.integer import NativeModel, TfliteModel
from edge_lstm_export.c_source import tflm_kernel_set, write_c, write_c_tflm
from edge_lstm_export.difference import compare
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.firmware.toolchain import TooLargeError
from edge_lstm_export.golden import recordings_of, traces_of

WRITERS: dict[str, Callable[..., dict[str, bytes]]] = {"native": write_c, "tflm": write_c_tflm}
"""What writes C for a core, by the arithmetic of a bundle's C."""

TYPES = {
    "native": {"cell": "<i4", "hidden": "<i2", "code": "<i2"},
    "tflm": {"cell": "<i2", "hidden": "i1", "code": "i1"},
}
"""What ``Layout`` is told of it."""


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

    Among several boards, one that the model is too large for is named and not run.

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
            try:
                by_core[core.name] = check_core(bundle, core, toolchain)
            except TooLargeError as error:
                if len(boards) == 1:
                    raise
                by_core[core.name] = BoardCheck("", core.title, core.kernels, not_run=str(error))
        yield replace(by_core[core.name], board=board.name)


def check_core(bundle: Bundle, core: Core, toolchain: str | None = None) -> BoardCheck:
    """The golden recordings of a bundle on a core, of no board in particular.

    Raises:
        BundleError, ExportError: as ``verify_boards``.
    """
    empty = BoardCheck("", core.title, core.kernels)
    if not core.emulator:
        return replace(empty, not_run="unchecked: no emulator is known for this core")
    arithmetic = arithmetic_of(bundle)
    if arithmetic == "tflm":
        empty = replace(empty, kernels=tflm_kernel_set(core.kernels).name)
    golden, window = bundle.golden(arithmetic), bundle.interface.task.window
    codes = [golden[f"{k}.codes"] for k in range(recordings_of(golden))]
    model = cast(NativeModel | TfliteModel, bundle.model(arithmetic))
    layout = Layout.of(model, **TYPES[arithmetic])
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


def arithmetic_of(bundle: Bundle) -> str:
    """What the C of the bundle computes."""
    stated = bundle.manifest["arithmetics"].get(f"{C_FOLDER}/model.c")
    computed = str(stated[0]) if isinstance(stated, list) and stated else ""
    if computed not in WRITERS:
        raise BundleError(f"{bundle.path}: holds no integers for a board; export it with --int8")
    return computed


def c_facts(bundle: Bundle) -> Mapping[str, Any]:
    """What the manifest says of the C: kernels, board and core; nothing in a float bundle.

    Raises:
        BundleError: if it is no table.
    """
    facts = bundle.manifest.get("c", {})
    if not isinstance(facts, dict):
        raise BundleError(f"{bundle.path}: 'c' of its manifest is no table; export the bundle again")
    return facts


def sources(bundle: Bundle, core: Core) -> dict[str, bytes]:
    """The C of a bundle for a core: what lies in it if it has that core's kernels, else written anew from its integers.

    Raises:
        ExportError: if the kernels cannot hold the model.
    """
    if c_facts(bundle).get("kernels") != core.kernels:
        arithmetic = arithmetic_of(bundle)
        return WRITERS[arithmetic](bundle.model(arithmetic), kernel_set_name=core.kernels)
    return bundle.c_sources()
