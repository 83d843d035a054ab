"""PyTorch state dicts, in ``.safetensors`` or in the zip of ``torch.save``.

A state dict holds tensors and their names, no program: what is between the layers is supposed, and said. A recurrent
module keeps (G·H, F) with its gates above each other, i, f, g, o of an LSTM and r, z, n of a GRU, and two biases. Which
cell it is says the number of gates. A GRU of PyTorch resets after the product.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import NAMES, Rows, cell_weights, described
from edge_lstm.importers.chain import Array, Chain, DenseLayer, Does, Part, Recurrent, dense_weights, part, single
from edge_lstm.importers.limits import MOST_UNITS, Budget
from edge_lstm.importers.torch_pickle import read_state_dict
from edge_lstm.model import DenseLayerWeights, DenseWeights

_RECURRENT = re.compile(
    r"(?P<prefix>.*?)(?P<what>weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)"
    r"(_l(?P<layer>\d{1,6})(?P<reverse>_reverse)?)?"
)
"""``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` number their layers; ``nn.LSTMCell`` and its like have one."""

_GATES: dict[int, tuple[str, tuple[int, ...]]] = {4: ("lstm", (0, 1, 2, 3)), 3: ("gru", (1, 0, 2)), 1: ("rnn", (0,))}
"""Gates in the rows of ``weight_hh`` → the cell, and where ours are among them."""

REFUSED = {
    "bidirectional": "reads backwards (bidirectional); train forwards",
}
"""Argument of a recurrent module → why it cannot be taken."""

SEVERAL = "is one of several, and a state dict does not say what is between them; export the model to ONNX"
"""What is said of linear layers, of which one can be the head."""

SUPPOSED = (
    "a state dict holds no program: its recurrent layers, its dropout and its one linear head were supposed in this "
    "order, with nothing else between them"
)

SUPPOSED_TANH = (
    "a state dict does not say what a simple RNN squashes with: tanh was supposed; of nn.RNN(nonlinearity='relu') say "
    "--nonlinearity relu"
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
    return _chain(tensors, path, ordered=False)


def read_pt(path: Path) -> Chain:
    """The chain of a state dict in a file of ``torch.save``.

    Raises:
        ModelError: if it is none, or asks for anything but tensors.
    """
    return _chain(read_state_dict(path), path, ordered=True)


@dataclass(frozen=True)
class _Place:
    """Where a tensor belongs: the module's prefix, its layer and direction."""

    prefix: str
    layer: int
    reverse: bool


def _chain(tensors: Mapping[str, Array], path: Path, ordered: bool) -> Chain:
    """``ordered`` says that the tensors come in the order in which the modules were made."""
    modules: dict[str, dict[_Place, dict[str, Array]]] = {}
    others: dict[str, Array] = {}
    for name, tensor in tensors.items():
        match = _RECURRENT.fullmatch(name)
        if match is None:
            others[name] = tensor
            continue
        place = _Place(match["prefix"], int(match["layer"] or 0), bool(match["reverse"]))
        modules.setdefault(place.prefix, {}).setdefault(place, {})[match["what"]] = tensor
    made = {prefix: _layers(places) for prefix, places in modules.items()}
    heads = _heads(others)
    prefixes = list(made) if ordered else _in_order(made, heads, path)
    layers = [part for prefix in prefixes for part in made[prefix]]
    squashed = any(isinstance(p.does, Recurrent) and p.does.weights.cell == "rnn" for p in layers)
    return Chain("pytorch", (*layers, *heads), notes=(SUPPOSED, *((SUPPOSED_TANH,) if squashed else ())))


def _in_order(made: Mapping[str, Sequence[Part]], heads: Sequence[Part], path: Path) -> list[str]:
    """The modules in the order that their widths allow; a ``.safetensors`` file sorts them by name.

    Raises:
        ModelError: if their widths allow several, and their names are not one name with a number in it.
    """
    if len(made) < 2 or len(made) > _MOST_MODULES or any(p.obstacle for parts in made.values() for p in parts):
        return sorted(made, key=_natural)
    takes = {prefix: _width(parts[0], "features") for prefix, parts in made.items()}
    gives = {prefix: _width(parts[-1], "units") for prefix, parts in made.items()}
    head = next((p.does.weights.shape[1] for p in heads if isinstance(p.does, DenseWeights)), None)
    fitting = [
        row
        for row in itertools.permutations(sorted(made, key=_natural))
        if all(gives[a] == takes[b] for a, b in itertools.pairwise(row)) and head in (None, gives[row[-1]])
    ]
    numbered = len({re.sub(r"\d+", "0", prefix) for prefix in made}) == 1
    if len(fitting) > 1 and not numbered:
        names = ", ".join(prefix.rstrip(".") for prefix in fitting[0])
        raise ModelError(
            f"{path}: which of {names} comes first cannot be told, the file sorts them by name; "
            "save the state dict with torch.save, which keeps their order"
        )
    return list(fitting[0]) if fitting else sorted(made, key=_natural)


_MOST_MODULES = 7
"""Whose orders are all tried."""


def _natural(prefix: str) -> list[tuple[str, int]]:
    """Sorts ``rnn10`` behind ``rnn9``."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d{0,9})", prefix)]


def _width(part: Part, what: str) -> int:
    return getattr(part.does.weights, what) if isinstance(part.does, Recurrent | DenseLayer) else 0


def _layers(places: Mapping[_Place, Mapping[str, Array]]) -> list[Part]:
    """The layers of one module."""
    parts = []
    for place in sorted(places, key=lambda p: (p.layer, p.reverse)):
        of_layer = places[place]
        name = f"{place.prefix}l{place.layer}{'_reverse' if place.reverse else ''}"
        kind = NAMES.get(_cell(of_layer), "recurrent layer")
        if place.reverse:
            parts.append(Part(name, kind, obstacle=REFUSED["bidirectional"]))
            continue
        made = part(name, kind, lambda of_layer=of_layer: _recurrent(of_layer))  # type: ignore[misc]
        note = described(made.does.weights) if isinstance(made.does, Recurrent) else ""
        parts.append(Part(name, kind, made.does, note, made.obstacle))
        if "weight_hr" in of_layer and not made.obstacle:
            parts.append(_projection(f"{name} projection", of_layer["weight_hr"]))
    return parts


def _cell(tensors: Mapping[str, Array]) -> str:
    """The name of the cell, as far as it can be told."""
    recurrent = tensors.get("weight_hh")
    if recurrent is None or recurrent.ndim != 2 or 0 in recurrent.shape or recurrent.shape[0] % recurrent.shape[1]:
        return ""
    return _GATES.get(recurrent.shape[0] // recurrent.shape[1], ("", ()))[0]


def _projection(name: str, projection: Array) -> Part:
    """What a projected LSTM (Sak et al., 2014) gives: P of its hidden state, without a bias."""

    def build() -> Does:
        kernel = single(projection)[None]
        return DenseLayer(DenseLayerWeights(kernel, np.zeros(kernel.shape[:2], np.float32)))

    return part(
        name, "projection", build, f"{len(projection)} units, a dense layer; the recurrent weights hold it, too"
    )


def _recurrent(tensors: Mapping[str, Array]) -> Does:
    missing = next((name for name in ("weight_ih", "weight_hh") if name not in tensors), None)
    if missing:
        raise ModelError(f"has no {missing}; save the whole state dict")
    kernel, recurrent = tensors["weight_ih"], tensors["weight_hh"]
    if "weight_hr" in tensors:
        # Its gates see R P h: the same LSTM without a projection has the recurrent weights R P.
        projection = tensors["weight_hr"]
        if projection.ndim != 2 or recurrent.ndim != 2 or recurrent.shape[1] != len(projection):
            raise ModelError(f"weight_hr has shape {projection.shape}, weight_hh {recurrent.shape}; save it again")
        recurrent = recurrent.astype(np.float64) @ projection.astype(np.float64)
    cell = _cell({**tensors, "weight_hh": recurrent})
    if not cell or kernel.ndim != 2:
        raise ModelError(
            f"weight_hh has shape {recurrent.shape}; expected (4 units, units) of an LSTM, (3 units, units) of a "
            "GRU or (units, units) of an RNN"
        )
    units = recurrent.shape[1]
    if units > MOST_UNITS:
        raise ModelError(f"has {units:,} units, the limit is {MOST_UNITS:,}; train a smaller layer")
    rows, order = recurrent.shape[0], _GATES[recurrent.shape[0] // units][1]
    if kernel.shape[0] != rows:
        raise ModelError(f"weight_ih has shape {kernel.shape}; expected ({rows}, features)")
    biases = [tensors.get(name, np.zeros(rows)) for name in ("bias_ih", "bias_hh")]
    wrong = next((bias.shape for bias in biases if bias.shape != (rows,)), None)
    if wrong is not None:
        raise ModelError(f"a bias has shape {wrong}; expected {(rows,)}")
    return Recurrent(cell_weights(cell, Rows(kernel, recurrent, *biases), order), every_step=True)


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
    if len(parts) > 1:
        parts = [Part(p.name, p.kind, obstacle=SEVERAL) for p in parts]
    why = "is no weight of an LSTM, GRU or RNN or of one linear head; save a state dict of these alone"
    return parts + [Part(name, "tensor", obstacle=why) for name in rest]
