"""The sources of a shared library: a model and the calls that a program on a computer makes."""

from __future__ import annotations

import platform

from edge_lstm.integer import NativeModel
from edge_lstm.model import FloatModel
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.floating import write_c_float
from edge_lstm_export.c_source.native import write_c

HOST_KERNELS = {
    "aarch64": "neon",
    "x86_64": "x86",
    "AMD64": "x86",  # as Windows calls it
}
"""Kernel set of a machine, by ``platform.machine()``; any other has the portable one."""


def host_sources(model: NativeModel | FloatModel, kernel_set_name: str | None = None) -> dict[str, bytes]:
    """``write_c`` or ``write_c_float`` of the model, and what ``edge_lstm.runtimes.c_library`` loads.

    Args:
        kernel_set_name: of an integer model; None takes this computer's.

    Raises:
        ExportError: as they do.
    """
    return {**_model_sources(model, kernel_set_name), **kernels.kernel_files([kernels.HOST_FILE])}


def _model_sources(model: NativeModel | FloatModel, kernel_set_name: str | None) -> dict[str, bytes]:
    if isinstance(model, FloatModel):
        return write_c_float(model)
    return write_c(model, kernel_set_name=kernel_set_name or HOST_KERNELS.get(platform.machine(), "portable"))
