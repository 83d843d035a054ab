"""The sources of a shared library: a model and the calls that a program on a computer makes."""

from __future__ import annotations

from edge_lstm.integer import NativeModel
from edge_lstm.model import FloatModel
from edge_lstm_export.c_source import kernels
from edge_lstm_export.c_source.floating import write_c_float
from edge_lstm_export.c_source.native import write_c


def host_sources(model: NativeModel | FloatModel) -> dict[str, bytes]:
    """``write_c`` or ``write_c_float`` of the model, and what ``edge_lstm.runtimes.c_library`` loads.

    Raises:
        ExportError: as they do.
    """
    sources = write_c_float(model) if isinstance(model, FloatModel) else write_c(model)
    return {**sources, **kernels.kernel_files([kernels.HOST_FILE])}
