"""Learning rates."""

from __future__ import annotations

import math

from edge_lstm.training.spec import TrainingSpec

COSINE_FLOOR = 0.01
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 5


def rates(spec: TrainingSpec, epoch: int, steps: int, factor: float) -> list[float]:
    """Learning rate of every step of an epoch (from 0). ``factor`` is what a plateau has left of the rate."""
    if spec.schedule != "cosine":
        return [spec.learning_rate * factor] * steps
    total = spec.epochs * steps
    return [spec.learning_rate * _cosine((epoch * steps + at) / total) for at in range(steps)]


def next_factor(spec: TrainingSpec, factor: float, stalled: int) -> tuple[float, int]:
    """Factor and stall count for the next epoch, after ``stalled`` epochs without a lower validation loss."""
    if spec.schedule == "plateau" and stalled >= PLATEAU_PATIENCE:
        return factor * PLATEAU_FACTOR, 0
    return factor, stalled


def _cosine(progress: float) -> float:
    return COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))
