"""PyTorch state dicts, in ``.safetensors`` or in the zip of ``torch.save``.

A state dict holds tensors and their names, no program: what is between the layers is supposed, and said. A recurrent
module keeps (G·H, F) with its gates above each other, i, f, g, o of an LSTM and r, z, n of a GRU, and two biases. Which
cell it is says the number of gates. A GRU of PyTorch resets after the product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import NAMES, Rows, cell_weights, described
from edge_lstm.importers.chain import (
    Array,
    BothWays,
    Chain,
    Convolution,
    DenseLayer,
    Does,
    Part,
    Recurrent,
    Stretch,
    part,
    single,
)
from edge_lstm.importers.limits import MOST_UNITS, Budget
from edge_lstm.importers.torch_linear import EPSILON, plain_module, with_activations
from edge_lstm.importers.torch_order import Module, in_order
from edge_lstm.importers.torch_pickle import read_state_dict
from edge_lstm.model import DenseLayerWeights

_RECURRENT = re.compile(
    r"(?P<prefix>.*?)(?P<what>weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)"
    r"(_l(?P<layer>\d{1,6})(?P<reverse>_reverse)?)?"
)
"""``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` number their layers; ``nn.LSTMCell`` and its like have one."""

_GATES: dict[int, tuple[str, tuple[int, ...]]] = {4: ("lstm", (0, 1, 2, 3)), 3: ("gru", (1, 0, 2)), 1: ("rnn", (0,))}
"""Gates in the rows of ``weight_hh`` → the cell, and where ours are among them."""

REFUSED = {
    "bidirectional": "reads backwards what no plain layer reads forwards; train it without a projection, or forwards",
}
"""Argument of a recurrent module → why it cannot be taken."""

UNKNOWN = (
    "is no weight of an LSTM, GRU or RNN, of a linear layer or a batch normalisation; save a state dict of these alone"
)
"""What is said of a tensor that belongs to nothing else."""

COUNTER = "num_batches_tracked"
"""What the name of a tensor ends in that acts in training alone: an integer."""

SUPPOSED = (
    "a state dict holds no program: its modules were supposed in this order, with nothing but dropout between them"
)

SUPPOSED_TANH = (
    "a state dict does not say what a simple RNN squashes with: tanh was supposed; of nn.RNN(nonlinearity='relu') say "
    "--nonlinearity relu"
)

SUPPOSED_EPSILON = (
    f"a state dict does not say what a batch normalisation adds to the variance: eps={EPSILON} was supposed"
)


SUPPOSED_CAUSAL = (
    "a state dict does not say how a convolution pads: zeros before the first step, all of them, and no dilation were "
    "supposed"
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
                if name.endswith(COUNTER):
                    continue
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
    groups: dict[tuple[str, bool], dict[Any, Any]] = {}
    for name, tensor in tensors.items():
        match = _RECURRENT.fullmatch(name)
        if match is not None:
            place = _Place(match["prefix"], int(match["layer"] or 0), bool(match["reverse"]))
            groups.setdefault((place.prefix, True), {}).setdefault(place, {})[match["what"]] = tensor
        elif not name.endswith(COUNTER):
            prefix, _, what = name.rpartition(".")
            groups.setdefault((prefix, False), {})[what] = tensor
    modules, rest = [], []
    for (prefix, is_recurrent), group in groups.items():
        module = _module(prefix, group) if is_recurrent else plain_module(prefix, group)
        if module is None:
            rest += [Part(f"{prefix}.{what}".lstrip("."), "tensor", obstacle=UNKNOWN) for what in group]
        else:
            modules.append(module)
    modules = in_order(modules, path, ordered)
    parts, places = with_activations(modules)
    tokens = modules[0].takes if modules and modules[0].kind == "embedding" else None
    return Chain("pytorch", (*parts, *rest), notes=tuple(_notes(modules)), untold=places, tokens=tokens)


def _module(prefix: str, places: Mapping[_Place, Mapping[str, Array]]) -> Module:
    parts = _layers(places)
    first, last = _widths(parts[0]), _widths(parts[-1])
    takes, gives = (first[0], last[1]) if first is not None and last is not None else (None, None)
    return Module(prefix.rstrip(".") or parts[0].kind, tuple(parts), takes, gives, "recurrent")


_LAYERS = (Recurrent, DenseLayer)


def _widths(part: Part) -> tuple[int, int] | None:
    """What a layer takes and gives; None if that is not known."""
    does = part.does
    if isinstance(does, BothWays):
        return does.forward.features, 2 * does.forward.units
    return (does.weights.features, does.weights.units) if isinstance(does, _LAYERS) else None


def _notes(modules: Sequence[Module]) -> Iterator[str]:
    """What was supposed."""
    if len(modules) > 1:
        yield f"{SUPPOSED}: {', '.join(module.name for module in modules)}"
    doing = [part.does for module in modules for part in module.parts]
    if any(isinstance(does, Recurrent) and does.weights.cell == "rnn" for does in doing):
        yield SUPPOSED_TANH
    if any(isinstance(does, Convolution) for does in doing):
        yield SUPPOSED_CAUSAL
    if any(isinstance(does, Stretch) for does in doing):
        yield SUPPOSED_EPSILON


def _layers(places: Mapping[_Place, Mapping[str, Array]]) -> list[Part]:
    """The layers of one module."""
    parts: list[Part] = []
    for place in sorted(places, key=lambda p: (p.layer, p.reverse)):
        of_layer = places[place]
        name = f"{place.prefix}l{place.layer}{'_reverse' if place.reverse else ''}"
        kind = NAMES.get(_cell(of_layer), "recurrent layer")
        if place.reverse:
            parts.append(_both_ways(parts.pop() if parts else None, name, of_layer))
            continue
        made = part(name, kind, lambda of_layer=of_layer: _recurrent(of_layer))  # type: ignore[misc]
        note = described(made.does.weights) if isinstance(made.does, Recurrent) else ""
        parts.append(Part(name, kind, made.does, note, made.obstacle))
        if "weight_hr" in of_layer and not made.obstacle:
            parts.append(_projection(f"{name} projection", of_layer["weight_hr"]))
    return parts


def _both_ways(forward: Part | None, name: str, tensors: Mapping[str, Array]) -> Part:
    """The layer of the part before and its reverse."""

    def build() -> Does:
        backward = _recurrent(tensors)
        does = None if forward is None else forward.does
        if not isinstance(does, Recurrent) or not isinstance(backward, Recurrent) or "weight_hr" in tensors:
            raise ModelError(REFUSED["bidirectional"])
        return BothWays(does.weights, backward.weights)  # type: ignore[arg-type]  # as they are read

    if forward is None or forward.obstacle:
        return forward or Part(name, "recurrent layer", obstacle=REFUSED["bidirectional"])
    return part(forward.name, f"bidirectional {forward.kind}", build)


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
