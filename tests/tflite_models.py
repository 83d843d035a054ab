"""Integer models drawn at random: corners that no trained network reaches, and both arithmetics must compute."""

import numpy as np

from edge_lstm.integer import Decoding, Encoding, Quant, TfliteDense, TfliteLstm, TfliteModel
from edge_lstm.model import Interface, Scaling, Task

SIZES = [
    (1, (1,), 1),
    (3, (5,), 2),
    (9, (32,), 6),
    (40, (48, 16), 9),
    (3, (5, 16, 32), 2),
]
"""(features, units a layer, outputs): odd widths, one to three layers, the smallest model there is."""


def random_integer_model(features, units, outputs, seed=0, dense_ratio=None):
    """A fused model of random integers, quantisations and zero points.

    ``dense_ratio`` sets output scale over accumulator scale, so that the head's shift is what a test wants.
    """
    rng = np.random.default_rng(seed)
    source, width, layers = Quant(rng.uniform(0.005, 0.05), int(rng.integers(-128, 128))), features, []
    for count in units:
        layers.append(_random_layer(rng, width, count, source))
        width, source = count, layers[-1].hidden
    weight_scale = rng.uniform(0.001, 0.02)
    typical_ratio = 60 * np.sqrt(width) * rng.uniform(0.5, 2)  # spreads the outputs of large weights over int8
    output_scale = weight_scale * source.scale * (dense_ratio or typical_ratio)
    # Small weights where the ratio is small, or every output would be saturated.
    largest = 128 if dense_ratio is None else 3
    head = TfliteDense(
        rng.integers(1 - largest, largest, (outputs, width)),
        rng.integers(-10 * largest, 10 * largest, outputs),
        weight_scale,
        source,
        Quant(output_scale, int(rng.integers(-50, 50))),
    )
    first = layers[0].input
    limit = np.full(features, 128)
    encoding = Encoding(np.zeros(features), np.full(features, 1 / first.scale), first.zero, -limit, limit - 1)
    task = Task("tag", tuple(f"o{k}" for k in range(outputs)))
    channels = tuple(f"c{k}" for k in range(features))
    interface = Interface(channels, Scaling.identity(features), task, Scaling.identity(outputs))
    return TfliteModel(tuple(layers), head, encoding, Decoding(head.output.scale, head.output.zero), interface)


def _random_layer(rng, features, units, source):
    # Scales spread pre-activations over the whole of Q3.12, saturation included.
    return TfliteLstm(
        rng.integers(-127, 128, (4, units, features)),
        rng.integers(-127, 128, (4, units, units)),
        rng.integers(-3000, 3000, (4, units)),
        rng.uniform(0.01, 0.03, 4) / np.sqrt(features),
        rng.uniform(0.02, 0.06, 4) / np.sqrt(units),
        source,
        Quant(rng.uniform(0.003, 0.0079), int(rng.integers(-60, 60))),
        int(rng.integers(-15, -8)),
    )


def random_codes(features, steps, seed=1):
    """(steps, features) int8 codes over the whole range."""
    return np.random.default_rng(seed).integers(-128, 128, (steps, features)).astype(np.int8)
