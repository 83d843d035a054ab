"""What a stream in C says: the step, and the codes of its output. ``el_host_said`` of ``kernels/el_host.c``."""

from __future__ import annotations

import sys

STEP_BYTES = 8


def told(said: bytes) -> tuple[int, list[int]]:
    """The step and the codes (O,); there may be padding behind them."""
    return int.from_bytes(said[:STEP_BYTES], sys.byteorder), memoryview(said)[STEP_BYTES:].cast("h").tolist()


def said_bytes(outputs: int, code_bytes: int) -> int:
    """``sizeof`` it."""
    return -(-(STEP_BYTES + outputs * code_bytes) // STEP_BYTES) * STEP_BYTES
