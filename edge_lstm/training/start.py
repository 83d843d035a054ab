"""Where a training begins when it does not begin with random weights: the layers of a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_lstm.model import CellWeights, DenseWeights


@dataclass(frozen=True, eq=False)
class Start:
    """Trained layers to begin with.

    Args:
        layers: those before the head, the one nearest the input first.
        head: the head, or None where the outputs are others and a new one is to be learnt.
        frozen: how many layers, from the input on, training leaves as they are.
        fingerprint: sha256 of the model they are of.
    """

    layers: tuple[CellWeights, ...]
    head: DenseWeights | None
    frozen: int
    fingerprint: str

    def as_json(self) -> dict[str, Any]:
        """What a checkpoint and a model file say of it."""
        head = "new" if self.head is None else "kept"
        return {"fingerprint": self.fingerprint, "frozen": self.frozen, "head": head}
