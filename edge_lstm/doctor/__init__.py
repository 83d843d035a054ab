"""What is installed here, whether it works, and what to do where it does not: for a workstation as for a board.

Every check is a row of a table. A package is tried in a process of its own, because what is broken may crash; the
interpreters get a model to run, because some import well and break on their first one. TensorFlow alone is not tried:
its import takes seconds. This package needs nothing but Python, so that it can tell that the base is broken.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from edge_lstm.doctor.computer import CHECKS, python, system
from edge_lstm.doctor.edge_tpu import edge_tpu_device, edge_tpu_library
from edge_lstm.doctor.finding import Finding
from edge_lstm.doctor.packages import PACKAGES, Here
from edge_lstm.doctor.programs import PROGRAMS, c_compiler, simavr, toolchain
from edge_lstm_export.firmware.toolchain import TOOLCHAINS

__all__ = ["GROUPS", "PACKAGES", "PROGRAMS", "Finding", "Here", "examine"]

GROUPS = ("base", "runtimes", "files", "compilers", "emulators", "boards", "here")


def examine() -> list[Finding]:
    """Every check, several at a time; in the order of the tables, whatever they find."""
    here = Here.found()
    checks: list[Callable[[], Finding | None]] = [
        python,
        _bound(system, here),
        *(_bound(row.examine, here) for row in (*PACKAGES, *PROGRAMS)),
        *(_bound(toolchain, name) for name in TOOLCHAINS),
        c_compiler,
        simavr,
        edge_tpu_library,
        edge_tpu_device,
        *CHECKS,
    ]
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        findings = [finding for finding in pool.map(lambda check: check(), checks) if finding is not None]
    return sorted(_apart(findings), key=lambda finding: GROUPS.index(finding.group))


def _bound(function: Callable[[Any], Finding], argument: Any) -> Callable[[], Finding]:
    return lambda: function(argument)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """What to know of two runtimes that are both here."""
    there = {finding.name for finding in findings if finding.status == "ok"}
    if not {"TensorFlow", "tflite-runtime"} <= there:
        return list(findings)
    know = (
        "never import tensorflow before tflite_runtime in one process: it corrupts memory (edge-lstm keeps them apart)"
    )
    return [
        Finding(**{**asdict(finding), "advice": know}) if finding.name == "tflite-runtime" else finding
        for finding in findings
    ]
