"""Sigmoid and tanh of the ``tflm`` arithmetic: linear interpolation in a table of 256 entries.

The figures are the uint16 sigmoid table that TensorFlow Lite Micro and CMSIS-NN share; entry k is about
``65536 * sigmoid(k / 24)``, but the published figures stray up to 1.1 from that formula, so they are data here.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edge_lstm.arithmetic.gemmlowp import ALL_INT16
from edge_lstm.integer import Int64

# fmt: off
SIGMOID_ENTRIES = np.array([
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149,
    40794, 41432, 42064, 42688, 43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369,
    47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409, 51865, 52311, 52745, 53169,
    53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
    57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370,
    60565, 60753, 60935, 61110, 61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302,
    62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186, 63279, 63368, 63454, 63536,
    63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
    64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786,
    64816, 64845, 64873, 64900, 64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079,
    65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208, 65221, 65234, 65246, 65258,
    65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
    65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433,
    65438, 65442, 65445, 65449, 65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474,
    65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491, 65493, 65495, 65497, 65498,
    65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
    65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522,
    65523, 65523, 65524, 65524, 65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528,
    65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530, 65530, 65530, 65531, 65531,
    65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
    65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534,
    65534, 65534, 65534, 65535,
], dtype=np.int64)
# fmt: on


def _interpolate(magnitude: Int64, fraction_bits: int, ceiling: int) -> Int64:
    """Table value at ``magnitude``, whose low ``fraction_bits`` interpolate; past the table, ``ceiling``."""
    index = np.minimum(magnitude >> fraction_bits, 254)
    lower, upper = SIGMOID_ENTRIES[index], SIGMOID_ENTRIES[index + 1]
    fraction = magnitude & ((1 << fraction_bits) - 1)
    inside = (lower << fraction_bits) + fraction * (upper - lower)
    return np.asarray(np.where(magnitude >> fraction_bits >= 255, ceiling, inside), np.int64)


@cache
def sigmoid_table() -> Int64:
    """(65536,) σ of every int16 in Q3.12, as Q0.15; index is the code plus 32768."""
    scaled = ALL_INT16 * 3
    r = _interpolate(np.abs(scaled), 9, 0x7FFF << 10)
    return np.asarray(np.where(scaled >= 0, r + (1 << 9), (1 << 25) - r + (1 << 9) - 1) >> 10, np.int64)


@cache
def tanh_table(exponent: int) -> Int64:
    """(65536,) tanh of every int16 of scale ``2**exponent``, as Q0.15; index is the code plus 32768."""
    shift = exponent + 12
    scaled = (ALL_INT16 * 3 + (1 << (-shift - 1))) >> -shift if shift < 0 else ALL_INT16 * (3 << shift)
    r = _interpolate(np.abs(scaled), 8, 0xFFFF << 8)
    return np.asarray(np.where(scaled >= 0, r - (1 << 23) + (1 << 7), -r + (1 << 23) + (1 << 7) - 1) >> 8, np.int64)
