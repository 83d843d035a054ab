"""Words of two rows, as cores with the DSP extension multiply them; ``kernels/el_dsp.h`` says why."""

from __future__ import annotations

import numpy as np

from edge_lstm_export.c_source.kernel_sets.base import Array


def shared_words(weights: Array) -> Array:
    """(P, 2, N) rows two by two, N even → (P, N / 2): ``w0 + 256 w1`` of two columns a word."""
    low, high = np.moveaxis(weights.astype(np.int64), 1, 0)
    halves = (low + 256 * high) & 0xFFFF
    return np.asarray(halves[:, 0::2] | halves[:, 1::2] << 16)


def shared_bias(bias: Array) -> Array:
    """(P, 2) → (P, 2): that of the first row, that of both together."""
    low, high = bias.astype(np.int64).T
    return np.stack([low, low + 256 * high], axis=1)


def int32(words: Array) -> Array:
    """Words modulo 2**32 as C writes them.

    C has no literal for -2**31. Only the bias of two rows can come to it, and 1 more there is a 256th of 1 in the sum
    of the second: less than any floor that follows can see.
    """
    return np.asarray(np.maximum(((words + 2**31) & 0xFFFFFFFF) - 2**31, 1 - 2**31))
