"""Bidirectional layers of a file, which a stream can only follow some steps late: the user says how many."""

from __future__ import annotations

from dataclasses import replace

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import described
from edge_lstm.importers.chain import BothWays, Chain, Part, Recurrent
from edge_lstm.model import BidirectionalWeights, DenseLayerWeights, FloatModel

WANTED = (
    "reads a sequence from its end, which a stream does not know; give --look-ahead N, and it speaks of each step N "
    "steps late, knowing those N; or train forwards"
)
LAST_STEP = "gives the end of what it reads from the end; make it return sequences, and read the label N steps earlier"
MERGES = "the halves stand side by side here; train it so"


def with_look_ahead(chain: Chain, steps: int | None) -> Chain:
    """The chain whose bidirectional layers look ahead by so many steps, each; None leaves them in the way.

    Raises:
        ModelError: if there are none, or their cells cannot be such halves.
    """
    if steps is None:
        return chain
    if not any(isinstance(part.does, BothWays) or part.obstacle for part in chain.parts):
        raise ModelError("no layer of the file reads both ways; leave --look-ahead out")
    return replace(chain, parts=tuple(_looking(part, steps) for part in chain.parts))


def _looking(part: Part, steps: int) -> Part:
    if not isinstance(part.does, BothWays):
        return part
    try:
        weights = BidirectionalWeights(part.does.forward, part.does.backward, steps)
    except ModelError as error:
        return replace(part, does=None, obstacle=str(error))
    return replace(part, does=Recurrent(weights, every_step=True), note=described(weights))


def is_whole_at_its_end(model: FloatModel) -> bool:
    """Whether the model gives, at the end of a sequence, what the whole layers give: nothing behind remembers."""
    first = next(k for k, layer in enumerate(model.layers) if isinstance(layer, BidirectionalWeights))
    return all(isinstance(layer, DenseLayerWeights) and layer.span == 1 for layer in model.layers[first + 1 :])
