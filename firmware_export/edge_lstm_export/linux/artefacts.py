"""The files of ``linux/`` in a bundle: a shared library and a program an architecture, and the shim for all of them."""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import PurePosixPath

from edge_lstm.architecture import this_architecture
from edge_lstm.bundle import LIBRARY, PROGRAM, SHIM
from edge_lstm.compiler import compile_shared
from edge_lstm.integer import NativeModel
from edge_lstm.model import FloatModel
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.c_source import host_sources
from edge_lstm_export.firmware.toolchain import command_of
from edge_lstm_export.linux.architectures import architecture
from edge_lstm_export.linux.program import stream_program

LINUX_FILES = frozenset(PurePosixPath(path).name for path in (LIBRARY, PROGRAM))
"""Names of what holds a model; the shim holds none."""


def own_library(model: NativeModel | FloatModel) -> dict[str, bytes]:
    """The library for this computer, by its own compiler.

    Raises:
        ExportError, MissingDependencyError: as ``compile_shared``.
    """
    return {LIBRARY.format(machine=platform.machine()): compile_shared(host_sources(model))}


def linux_files(
    model: NativeModel, model_file: bytes, facts: Facts, name: str, architectures: tuple[str, ...]
) -> dict[str, bytes]:
    """Libraries and programs by zig, and the shim; this computer's library is left to ``own_library``.

    Args:
        model_file: the file that holds the model, by whose digest a saved state knows it.
        name: of the bundle.
        architectures: names of ``ARCHITECTURES``.

    Raises:
        ExportError: if an architecture is not known, or its compiler refuses the model.
        MissingDependencyError: if zig is not installed.
    """
    if not architectures:
        return {}
    own = this_architecture() if sys.platform == "linux" else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = pool.map(lambda arch: stream_program(model, facts, name, model_file, arch), architectures)
        others = [arch for arch in architectures if arch != own]
        libraries = pool.map(lambda arch: _library(model, arch), others)
        return {
            SHIM: (files("edge_lstm_export") / "linux" / "edge_lstm_shim.py").read_bytes(),
            **{PROGRAM.format(machine=arch): made for arch, made in zip(architectures, programs, strict=True)},
            **{LIBRARY.format(machine=arch): made for arch, made in zip(others, libraries, strict=True)},
        }


def _library(model: NativeModel, arch: str) -> bytes:
    chosen = architecture(arch)
    # Without a libc there is none whose headers the compiler's own could include.
    zig = [*command_of("zig", f"Linux on {arch}"), "-ffreestanding", *chosen.flags]
    return compile_shared(host_sources(model, chosen.kernels), compiler=zig, system="linux")
