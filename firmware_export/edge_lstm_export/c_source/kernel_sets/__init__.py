"""Kernels by family of cores: one module and one row each.

The constants name the function they are packed for, so weights packed for one kernel cannot meet another: it would not
link.
"""

from __future__ import annotations

from edge_lstm.errors import ExportError
from edge_lstm_export.c_source.kernel_sets.armv6m import ARMV6M
from edge_lstm_export.c_source.kernel_sets.armv7m import ARMV7M
from edge_lstm_export.c_source.kernel_sets.avr import AVR
from edge_lstm_export.c_source.kernel_sets.base import KernelSet
from edge_lstm_export.c_source.kernel_sets.dsp import DSP
from edge_lstm_export.c_source.kernel_sets.mve import MVE
from edge_lstm_export.c_source.kernel_sets.neon import NEON
from edge_lstm_export.c_source.kernel_sets.neon32 import NEON32
from edge_lstm_export.c_source.kernel_sets.portable import PORTABLE
from edge_lstm_export.c_source.kernel_sets.rv32 import RV32
from edge_lstm_export.c_source.kernel_sets.x86 import X86

KERNEL_SETS = {chosen.name: chosen for chosen in (ARMV6M, ARMV7M, AVR, DSP, MVE, NEON, NEON32, PORTABLE, RV32, X86)}


def kernel_set(name: str) -> KernelSet:
    """The kernels of that name.

    Raises:
        ExportError: if there are none.
    """
    if name not in KERNEL_SETS:
        raise ExportError(f"kernel set {name!r} is not known; choose one of {', '.join(KERNEL_SETS)}")
    return KERNEL_SETS[name]
