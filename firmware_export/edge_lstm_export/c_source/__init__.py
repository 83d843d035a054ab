"""C sources of a model: its constants as generated arrays, its logic as the hand-written files of ``kernels/``."""

from __future__ import annotations

from edge_lstm_export.c_source.blueprint import float_state_bytes
from edge_lstm_export.c_source.floating import write_c_float
from edge_lstm_export.c_source.fused import tflm_constant_bytes, tflm_kernel_set, tflm_state_bytes, write_c_tflm
from edge_lstm_export.c_source.host import host_sources
from edge_lstm_export.c_source.native import constant_bytes, native_state_bytes, write_c

__all__ = [
    "constant_bytes",
    "float_state_bytes",
    "host_sources",
    "native_state_bytes",
    "tflm_constant_bytes",
    "tflm_kernel_set",
    "tflm_state_bytes",
    "write_c",
    "write_c_float",
    "write_c_tflm",
]
