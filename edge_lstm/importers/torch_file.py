"""PyTorch: the tensors of a ``state_dict``, from ``.safetensors`` or from the zip file of ``torch.save``.

A state dict holds tensors and their names, no program: what is between the layers is supposed, and said. ``nn.LSTM``
keeps (4H, F) with the gates i, f, g, o above each other, and two biases that are added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array, Chain, Does, Part, Recurrent, dense_weights, lstm_weights, part
from edge_lstm.importers.limits import MOST_UNITS, Budget
from edge_lstm.importers.torch_pickle import read_state_dict

_RECURRENT = re.compile(
    r"(?P<prefix>.*?)(?P<what>weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(?P<layer>\d+)(?P<reverse>_reverse)?"
)

_CELLS = {3: "is a GRU; train an LSTM", 1: "is a plain RNN; train an LSTM"}
"""Gates in the rows of ``weight_hh`` → what it is."""

SUPPOSED = (
    "a state dict holds no program: its LSTM layers, its dropout and its one linear head were supposed in this order, "
    "with nothing else between them"
)


def read_safetensors(path: Path) -> Chain:
    """The chain of a state dict in a ``.safetensors`` file.

    Raises:
        ModelError: if it is none.
    """
    from safetensors import SafetensorError, safe_open

    tensors, budget = {}, Budget()
    try:
        with safe_open(str(path), "numpy") as file:
            if "edge-lstm" in (file.metadata() or {}):
                raise ModelError(f"{path}: is a model of edge-lstm already; give it to export --model")
            for name in file.keys():  # noqa: SIM118 - no mapping
                shown = file.get_slice(name)
                budget.take(shown.get_shape(), 4, f"{path}: {name}")
                if shown.get_dtype() not in ("F16", "F32", "F64"):
                    raise ModelError(
                        f"{path}: {name} is of {shown.get_dtype()}; save float32, as model.float().state_dict()"
                    )
                tensors[name] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a whole .safetensors file ({error}); save it again") from error
    return _chain(tensors)


def read_pt(path: Path) -> Chain:
    """The chain of a state dict in a file of ``torch.save``.

    Raises:
        ModelError: if it is none, or asks for anything but tensors.
    """
    return _chain(read_state_dict(path))


@dataclass(frozen=True)
class _Place:
    """Where a tensor belongs: the module's prefix and its layer."""

    prefix: str
    layer: int


def _chain(tensors: Mapping[str, Array]) -> Chain:
    layers: dict[_Place, dict[str, Array]] = {}
    others: dict[str, Array] = {}
    parts: list[Part] = []
    for name, tensor in tensors.items():
        match = _RECURRENT.fullmatch(name)
        if match is None:
            others[name] = tensor
        elif match["reverse"]:
            parts.append(Part(name, "LSTM", obstacle="reads backwards (bidirectional); train forwards"))
        else:
            layers.setdefault(_Place(match["prefix"], int(match["layer"])), {})[match["what"]] = tensor
    prefixes = list(dict.fromkeys(place.prefix for place in layers))
    for place in sorted(layers, key=lambda p: (prefixes.index(p.prefix), p.layer)):
        of_layer = layers[place]
        name = f"{place.prefix}l{place.layer}"
        parts.append(part(name, "LSTM", lambda of_layer=of_layer: _lstm(of_layer), _described(of_layer)))  # type: ignore[misc]
    parts += _heads(others)
    return Chain("pytorch", tuple(parts), notes=(SUPPOSED,))


def _described(tensors: Mapping[str, Array]) -> str:
    return f"{tensors['weight_hh'].shape[-1]} units" if "weight_hh" in tensors else ""


def _lstm(tensors: Mapping[str, Array]) -> Does:
    if "weight_hr" in tensors:
        raise ModelError("has a projection (proj_size); train without")
    missing = next((name for name in ("weight_ih", "weight_hh") if name not in tensors), None)
    if missing:
        raise ModelError(f"has no {missing}; save the whole state dict")
    recurrent = tensors["weight_hh"]
    if recurrent.ndim != 2 or tensors["weight_ih"].ndim != 2 or 0 in recurrent.shape:
        raise ModelError(f"weight_hh has shape {recurrent.shape}; expected (4 units, units)")
    units = recurrent.shape[1]
    if units > MOST_UNITS:
        raise ModelError(f"has {units:,} units, the limit is {MOST_UNITS:,}; train a smaller layer")
    gates = recurrent.shape[0] / units
    if gates != 4:
        raise ModelError(_CELLS.get(int(gates), f"weight_hh has shape {recurrent.shape}; expected (4 units, units)"))
    kernel, rows = tensors["weight_ih"], (4 * units,)
    if kernel.shape[0] != 4 * units:
        raise ModelError(f"weight_ih has shape {kernel.shape}; expected ({4 * units}, features)")
    biases = [np.asarray(tensors[name], np.float64) for name in ("bias_ih", "bias_hh") if name in tensors]
    wrong = next((bias.shape for bias in biases if bias.shape != rows), None)
    if wrong is not None:
        raise ModelError(f"a bias has shape {wrong}; expected {rows}")
    return Recurrent(lstm_weights(kernel, recurrent, sum(biases, np.zeros(rows))), every_step=True)


def _heads(others: Mapping[str, Array]) -> list[Part]:
    """One ``*.weight`` of two dimensions with its ``*.bias``; all else stands in the way."""
    parts, rest = [], dict(others)
    for name, tensor in others.items():
        stem = name.removesuffix("weight")
        if stem == name or tensor.ndim != 2:
            continue
        weights, bias = rest.pop(name), rest.pop(f"{stem}bias", np.zeros(tensor.shape[0]))

        def build(weights: Array = weights, bias: Array = bias) -> Does:
            return dense_weights(weights, bias)

        parts.append(part(stem.rstrip(".") or "head", "Linear", build, f"{tensor.shape[0]} outputs"))
    why = "is no weight of an LSTM or of one linear head; save a state dict of these alone"
    return parts + [Part(name, "tensor", obstacle=why) for name in rest]
