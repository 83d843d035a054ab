"""Models on emulated cores, held against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.board import load_core
from edge_lstm.integer import NativeModel
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import BoardRun, Layout

layout_of = Layout.of


def check_core(
    core_name: str,
    model: NativeModel,
    codes: NDArray[Any],
    *,
    kernels: str | None = None,
    toolchain: str | None = None,
    extra: Sequence[str] = (),
) -> BoardRun:
    """Every step of (T, C) codes on the emulated core; fails at the first value that is not the reference's."""
    core = load_core(core_name)
    image = program(core, write_c(model, kernel_set_name=kernels or core.kernels), toolchain, extra)
    done = emulate(core, image, Layout.of(model), [codes], None)
    expected = trace(network(model), codes)
    found = done.traces[0]
    for layer, (h, c) in enumerate(found.states):
        for name, seen in (("h", h), ("c", c)):
            wrong = np.argwhere(seen != expected[layer, name])
            assert not len(wrong), f"{core_name}: layer {layer} {name}, (step, unit) {wrong[0]}"
    assert np.array_equal(found.outputs, expected[len(model.layers), "y"])
    return done
