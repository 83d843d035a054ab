"""Embeddings: a table of vectors by token is a dense layer over one-hot channels, exactly, since all products but one
row's are with zero.

Shapes use V = tokens, D = numbers of a vector.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array, DenseLayer, single
from edge_lstm.model import DenseLayerWeights

MOST_TOKENS = 256
"""V: every step multiplies the whole table, and every token is a channel of the stream."""

CHANNEL = "token_"
"""Names of the channels begin so."""

MASKS = "leaves out steps by their values, which no device does; train on sequences without padding"
"""Why ``mask_zero``, and layers that mask, are refused."""


def embedding(table: Array) -> DenseLayer:
    """The layer of a table (V, D).

    Raises:
        ModelError: if it is none, or has more than ``MOST_TOKENS`` rows.
    """
    if table.ndim != 2 or 0 in table.shape:
        raise ModelError(f"its table has shape {table.shape}; expected (tokens, numbers)")
    refuse_many(len(table), table.shape[1])
    return DenseLayer(DenseLayerWeights(single(table.T)[None], np.zeros((1, table.shape[1]), np.float32)))


def refuse_many(tokens: int, width: int) -> None:
    """Raise ModelError for more than ``MOST_TOKENS``."""
    if tokens > MOST_TOKENS:
        raise ModelError(
            f"has {tokens:,} tokens, the limit is {MOST_TOKENS}; leave it out of the saved model and push its vectors "
            f"of {width} numbers, or train on fewer tokens"
        )


def described(layer: DenseLayer) -> str:
    """What to know of it."""
    tokens, width = layer.weights.features, layer.weights.units
    return (
        f"a dense layer over {tokens} one-hot channels {CHANNEL}0…: push a one-hot row; costs {tokens * width:,} "
        "multiply-adds a step"
    )
