"""Kernels by family of cores: one module and one row each.

The constants name the function they are packed for, so weights packed for one kernel cannot meet another: it would not
link.
"""

from __future__ import annotations

from edge_lstm.errors import ExportError
from edge_lstm_export.c_source.kernel_sets.base import KernelSet
from edge_lstm_export.c_source.kernel_sets.portable import PORTABLE

KERNEL_SETS = {chosen.name: chosen for chosen in (PORTABLE,)}


def kernel_set(name: str) -> KernelSet:
    """The kernels of that name.

    Raises:
        ExportError: if there are none.
    """
    if name not in KERNEL_SETS:
        raise ExportError(f"kernel set {name!r} is not known; choose one of {', '.join(KERNEL_SETS)}")
    return KERNEL_SETS[name]
