"""How each benchmark set is trained: what a user would write into ``edge-lstm.toml``; all else is the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_lstm.training import TrainingSpec


@dataclass(frozen=True)
class Recipe:
    """A set's training settings and what must come of them.

    Args:
        tables: the ``[model]`` and ``[training]`` tables.
        metric: key of the metric in the table.
        target: what the metric must reach, or None.
        higher: whether more of it is better.
        scale: 100 prints a share as a percentage.
        unit: printed beside the metric.
    """

    tables: dict[str, Any]
    metric: str
    target: float | None
    higher: bool = True
    scale: float = 100.0
    unit: str = "%"

    def spec(self, seed: int, quick: bool = False) -> TrainingSpec:
        training = {**self.tables.get("training", {}), "seed": seed} | ({"epochs": 2} if quick else {})
        return TrainingSpec.from_table({**self.tables, "training": training}, "bench/recipes.py")

    def reached(self, value: float) -> bool:
        return self.target is None or (value >= self.target if self.higher else value < self.target)


RECIPES: dict[str, Recipe] = {
    "japanese_vowels": Recipe({"model": {"units": [32]}}, "accuracy", 0.96),
    "har": Recipe({"model": {"units": [32]}}, "accuracy", 0.91),
    "fsdd": Recipe({"model": {"units": [48]}}, "accuracy", 0.92),
    "air_quality": Recipe(
        {"model": {"units": [32]}, "training": {"loss": "mae"}}, "mae", 0.481, higher=False, scale=1.0, unit="mg/m³"
    ),
    "nab_machine_temperature": Recipe(
        {"model": {"units": [16], "dropout": 0.0}, "training": {"learning_rate": 0.01}},
        "windows_hit",
        3.0,
        scale=1.0,
        unit="of 3",
    ),
}
