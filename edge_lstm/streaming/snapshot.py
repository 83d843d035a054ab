"""A stream's state as bytes: a .safetensors file whose header says which model and arithmetic it belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edge_lstm.errors import InputError

if TYPE_CHECKING:
    from edge_lstm.reference import State

_KEY = "edge-lstm-stream"
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything a stream remembers.

    Args:
        model: sha256 of the model file.
        arithmetic: of the state's integers. Back ends of one arithmetic read each other's snapshots.
        step: index of the next sample.
        state: (h, c) of each layer, (H,) each.
        scorer: what the anomaly scorer remembers, JSON values; None for other tasks.
    """

    model: str
    arithmetic: str
    step: int
    state: State
    scorer: Any = None


def encode_snapshot(snapshot: Snapshot) -> bytes:
    header = {
        "schema": SCHEMA,
        "model": snapshot.model,
        "arithmetic": snapshot.arithmetic,
        "step": snapshot.step,
        "scorer": snapshot.scorer,
        "layers": len(snapshot.state),
    }
    arrays = {
        f"layers.{k}.{name}": _plain(value)
        for k, layer in enumerate(snapshot.state)
        for name, value in zip("hc", layer, strict=True)
    }
    return save(arrays, {_KEY: json.dumps(header, sort_keys=True)})


def _plain(value: Any) -> NDArray[Any]:
    """One type for integers and one for floats, so that back ends of one arithmetic save the same bytes."""
    array = np.asarray(value)
    return np.ascontiguousarray(array, np.int32 if array.dtype.kind in "iu" else np.float64)


def decode_snapshot(data: bytes, model: str, arithmetic: str) -> Snapshot:
    """The snapshot in ``data``.

    Raises:
        InputError: if it is not a snapshot, or one of another model or arithmetic.
    """
    try:
        arrays = load(data)
        text = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][_KEY]
        header = json.loads(text)
        state = tuple((arrays[f"layers.{k}.h"], arrays[f"layers.{k}.c"]) for k in range(header["layers"]))
        snapshot = Snapshot(header["model"], header["arithmetic"], int(header["step"]), state, header["scorer"])
        schema = header["schema"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"stream state: not a saved stream ({error}); reset the stream instead") from error
    for what, found, expected in (
        ("schema", schema, SCHEMA),
        ("arithmetic", snapshot.arithmetic, arithmetic),
        ("model", snapshot.model[:12], model[:12]),
    ):
        if found != expected:
            raise InputError(
                f"stream state: it is of {what} {found}, this stream has {expected}; reset the stream instead"
            )
    return snapshot
