"""The whole state of a training, in one safetensors file that is replaced atomically after every epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edge_lstm.errors import TrainingError
from edge_lstm.files import write_atomically

SCHEMA = "edge-lstm.checkpoint.1"

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State at the end of an epoch.

    Args:
        fingerprint: of the settings and the data; a resumed training must have the same.
        epoch: epochs finished.
        weights: the network's variables, as the optimiser left them.
        average: running mean of the weights.
        optimiser: the optimiser's variables (moments, step count, rate).
        best: the kept weights of the best epoch.
        best_epoch, best_score: epoch (from 1) and score of ``best``.
        factor: what the plateau schedule has left of the learning rate.
        stalled: epochs without a better score since the rate was last cut.
        curve: one record an epoch.
    """

    fingerprint: str
    epoch: int
    weights: Arrays
    average: Arrays
    optimiser: Arrays
    best: Arrays
    best_epoch: int
    best_score: float
    factor: float
    stalled: int
    curve: tuple[dict[str, Any], ...] = field(default=())


_GROUPS = ("weights", "average", "optimiser", "best")
_VALUES = ("fingerprint", "epoch", "best_epoch", "best_score", "factor", "stalled", "curve")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file at ``path``; a kill at any moment leaves the old one or the new one, whole."""
    arrays = {
        f"{group}/{index:03d}": np.asarray(array, order="C")
        for group in _GROUPS
        for index, array in enumerate(getattr(checkpoint, group))
    }
    values = {name: getattr(checkpoint, name) for name in _VALUES}
    metadata = {"schema": SCHEMA, "state": json.dumps(values, sort_keys=True)}
    write_atomically(path, save(arrays, metadata=metadata))


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint:
    """The state to go on from.

    Raises:
        TrainingError: if there is none, it is damaged, or settings or data have changed since.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: there is no checkpoint to resume from; train without --resume")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            if metadata.get("schema") != SCHEMA:
                raise TrainingError(
                    f"{path}: checkpoint has schema {metadata.get('schema')}, expected {SCHEMA}; train without --resume"
                )
            values: dict[str, Any] = json.loads(metadata["state"])
            names = sorted(file.keys())
            groups: dict[str, Any] = {
                g: tuple(file.get_tensor(n) for n in names if n.startswith(g + "/")) for g in _GROUPS
            }
    except (SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(f"{path}: checkpoint cannot be read ({error}); train without --resume") from error
    if values["fingerprint"] != fingerprint:
        raise TrainingError(
            f"{path}: settings or data have changed since this checkpoint (--from and --freeze are settings); "
            "train without --resume"
        )
    values["curve"] = tuple(values["curve"])
    return Checkpoint(**values, **groups)
