"""Probabilities of integer logits, in integers: what a device without floating point reports.

``p = 2**-t / Σ 2**-t`` with ``t = (max - logit) · log2(e)``; ``2**-t`` comes from 32 straight segments and a shift. It
differs from the exact softmax by less than 2e-4.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edge_lstm.integer import Int64

LOG2_E = 23637
"""log2(e), 14 fraction bits."""

EXPONENT_BITS = 12
"""Fraction bits of ``t``."""

SEGMENT_BITS = 7
"""Of those, within one of the 32 segments."""

LOGIT_BITS = range(-2, 30)
"""Fraction bits that logits may have: shifts of 0 to 31."""


@cache
def segments() -> Int64:
    """(33,) 2**-x at x = 0, 1/32 ... 1, Q0.15; between them it is drawn straight."""
    return np.asarray(np.rint(2.0 ** (15 - np.arange(33) / 32)), np.int64)


def softmax(codes: Any, logit_bits: int) -> Int64:
    """(..., O) codes → (..., O) probabilities, Q0.15.

    Args:
        codes: int16 logits in steps of ``2**-logit_bits``.
    """
    codes = np.asarray(codes, np.int64)
    t = ((codes.max(axis=-1, keepdims=True) - codes) * LOG2_E) >> (logit_bits + 14 - EXPONENT_BITS)
    fraction = t & ((1 << EXPONENT_BITS) - 1)
    at, within = fraction >> SEGMENT_BITS, fraction & ((1 << SEGMENT_BITS) - 1)
    start, end = segments()[at], segments()[at + 1]
    power = (start - (((start - end) * within) >> SEGMENT_BITS)) >> np.minimum(t >> EXPONENT_BITS, 16)
    total = power.sum(axis=-1, keepdims=True)
    return np.asarray(((power << 15) + (total >> 1)) // total, np.int64)
