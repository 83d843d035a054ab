"""``python torch_models.py FOLDER [rows]``: state dicts as PyTorch saves them, and what it computes from them.

Needs torch, which the tests do not: what it writes is in ``tests/torch_saved``, made by torch 1.13, with ``rows`` by
torch 2.13. ``outputs.npz`` and ``rows.npz`` hold for every file that can be imported outputs (B, T, O) by its name, all
of the inputs ``x`` (B, T, F), or ``tokens`` (B, T) where it has an embedding.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, UNITS, OUTPUTS, STEPS, BATCH = 3, 5, 2, 9, 4

GRID = {
    f"{cell}-{layers}-{('free', 'bias')[bias]}": (cell, layers, bias)
    for cell, layers, bias in itertools.product(("LSTM", "GRU", "RNN"), (1, 2, 3), (True, False))
}
"""Name of a file → module, layers, bias."""

MIXED = ("mixed", "cells")
"""Networks of several modules."""

EXPORTED = {
    f"{cell}-{how}.onnx": (cell, how)
    for cell in ("LSTM", "GRU", "RNN")
    for how in ("last-hidden", "last-step", "every-step", "states", "states-time-first")
}
"""ONNX file of two layers, as PyTorch exports it → module, and what the network gives."""

ROWS: dict[str, tuple[dict[str, tuple[str, int, int]], tuple[str, ...], bool]] = {
    "row-heads": (
        {"lstm": ("LSTM", 3, 5), "fc1": ("Linear", 5, 6), "fc2": ("Linear", 6, 4), "out": ("Linear", 4, 2)},
        ("relu", "tanh"),
        False,
    ),
    "row-around": (
        {"fc_in": ("Linear", 3, 4), "gru": ("GRU", 4, 5), "fc": ("Linear", 5, 7), "out": ("Linear", 7, 2)},
        ("tanh", "linear"),
        False,
    ),
    "row-no-head": ({"a": ("Linear", 3, 4), "b": ("Linear", 4, 6), "rnn": ("RNN", 6, 5)}, ("sigmoid", "relu"), False),
    "row-norms": (
        {
            **{"bn0": ("BatchNorm1d", 3, 3), "lstm": ("LSTM", 3, 5), "bn1": ("BatchNorm1d", 5, 5)},
            **{"fc1": ("Linear", 5, 6), "bn2": ("BatchNorm1d", 6, 6), "fc2": ("Linear", 6, 4)},
            **{"bn3": ("BatchNorm1d", 4, 4), "out": ("Linear", 4, 2), "bn4": ("BatchNorm1d", 2, 2)},
        },
        ("relu", "linear", "linear", "tanh"),
        False,
    ),
    "row-free-norm": (
        {"gru": ("GRU", 3, 5), "bn": ("BatchNorm1d free", 5, 5), "out": ("Linear", 5, 2)},
        (),
        False,
    ),
    "row-embedding": (
        {"emb": ("Embedding", 7, 4), "gru": ("GRU", 4, 5), "fc1": ("Linear", 5, 6), "out": ("Linear free", 6, 2)},
        ("relu",),
        False,
    ),
    "row-embedding-no-head": ({"emb": ("Embedding", 7, 4), "lstm": ("LSTM", 4, 5)}, (), False),
    "row-made-otherwise": (
        {"lstm": ("LSTM", 3, 5), "fc": ("Linear", 5, 6), "out": ("Linear", 6, 2)},
        ("relu",),
        True,
    ),
}
"""Name of a file → its modules in the order of computation, with features and units; what is behind each linear one but
the head and behind its normalisation; whether they were made in the opposite order."""

REFUSED = {
    "lstm-bidirectional": "give --look-ahead N",
    "gru-bidirectional": "give --look-ahead N",
    "rnn-bidirectional": "give --look-ahead N",
}
"""Name of a file that cannot be imported → what the refusal says."""

PROJECTED = "lstm-projection"
"""Name of a file of two layers with ``proj_size``."""


def main(folder: Path) -> None:
    import torch
    from torch import nn

    class Stack(nn.Module):
        """Modules in a row, as they are made, and a linear head."""

        def __init__(self, modules: dict[str, Any], width: int, bias: bool = True) -> None:
            super().__init__()
            for name, module in modules.items():
                self.add_module(name, module)
            self.row = list(modules)
            self.fc = nn.Linear(width, OUTPUTS, bias=bias)

        def forward(self, x: Any) -> Any:
            for name in self.row:
                x = getattr(self, name)(x)[0]
            return self.fc(x)

    class Cells(nn.Module):
        """Two cells that a loop of one's own steps through a sequence."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.GRUCell(FEATURES, UNITS), nn.LSTMCell(UNITS, 4)
            self.fc = nn.Linear(4, OUTPUTS)

        def forward(self, x: Any) -> Any:
            g, h, c = torch.zeros(BATCH, UNITS), torch.zeros(BATCH, 4), torch.zeros(BATCH, 4)
            outputs = []
            for t in range(STEPS):
                g = self.first(x[:, t], g)
                h, c = self.second(g, (h, c))
                outputs.append(self.fc(h))
            return torch.stack(outputs, 1)

    torch.manual_seed(3)
    x = torch.randn(BATCH, STEPS, FEATURES)
    models: dict[str, Any] = {}
    for name, (cell, layers, bias) in GRID.items():
        module = getattr(nn, cell)(FEATURES, UNITS, layers, bias=bias, batch_first=True)
        models[name] = Stack({cell.lower(): module}, UNITS, bias)
    models["mixed"] = Stack(
        {
            "z_first": nn.RNN(FEATURES, UNITS, batch_first=True),
            "lstm": nn.LSTM(UNITS, UNITS, 2, batch_first=True),
            "a_last": nn.GRU(UNITS, UNITS, batch_first=True),
        },
        UNITS,
    )
    models["cells"] = Cells()
    outputs = {"x": x.numpy()}
    for name, model in models.items():
        torch.save(model.state_dict(), folder / f"{name}.pt")
        with torch.no_grad():
            outputs[name] = model(x).numpy()
    np.savez(folder / "outputs.npz", **outputs)
    for name in (*REFUSED, PROJECTED):
        cell, _, what = name.partition("-")
        options: dict[str, Any] = {"proj_size": 4} if what == "projection" else {"bidirectional": True}
        width = 4 if what == "projection" else 2 * UNITS
        module = getattr(nn, cell.upper())(FEATURES, UNITS, 2, batch_first=True, **options)
        torch.save(Stack({cell: module}, width).state_dict(), folder / f"{name}.pt")

    export(folder)


def export(folder: Path) -> None:
    """The files of ``EXPORTED``."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, cell: str, how: str) -> None:
            super().__init__()
            self.how = how
            self.rnn = getattr(nn, cell)(FEATURES, UNITS, 2, batch_first=not how.endswith("time-first"))
            self.fc = nn.Linear(UNITS, OUTPUTS)

        def forward(self, x: Any, *states: Any) -> Any:
            y, last = self.rnn(x, states if len(states) == 2 else states[0] if states else None)
            if self.how == "last-hidden":
                return self.fc((last[0] if isinstance(last, tuple) else last)[-1])
            if self.how == "last-step":
                return self.fc(y[:, -1])
            return (self.fc(y), last) if states else self.fc(y)

    for name, (cell, how) in EXPORTED.items():
        model = Net(cell, how).eval()
        inputs = [torch.randn(STEPS, BATCH, FEATURES) if how.endswith("first") else torch.randn(BATCH, STEPS, FEATURES)]
        if how.startswith("states"):
            inputs += [torch.zeros(2, BATCH, UNITS)] * (2 if cell == "LSTM" else 1)
        names = ["x", "h0", "c0"][: len(inputs)]
        free = {"x": {0: "a", 1: "b"}, "h0": {1: "batch"}, "c0": {1: "batch"}}
        dynamic = {key: free[key] for key in names} if how != "states" else None
        torch.onnx.export(
            model, tuple(inputs), str(folder / name), input_names=names, dynamic_axes=dynamic, opset_version=14
        )


def rows(folder: Path) -> None:
    """The files of ``ROWS``."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(
            self, modules: dict[str, tuple[str, int, int]], activations: tuple[str, ...], turned: bool
        ) -> None:
            super().__init__()
            for name, (kind, features, units) in reversed(modules.items()) if turned else modules.items():
                if kind.startswith("BatchNorm1d"):
                    module = nn.BatchNorm1d(features, affine=not kind.endswith("free"))
                    for tensor in (module.running_mean, module.weight, module.bias):
                        if tensor is not None:
                            nn.init.normal_(tensor)
                    nn.init.uniform_(module.running_var, 0.3, 3)
                else:
                    kind, _, free = kind.partition(" ")
                    options = {"batch_first": True} if hasattr(nn, f"{kind}Cell") else {"bias": False} if free else {}
                    module = getattr(nn, kind)(features, units, **options)
                self.add_module(name, module)
            self.row, self.squashing = list(modules), activations

        def forward(self, x: Any) -> Any:
            activations = iter(self.squashing)
            squashed = False
            linear = [name for name in self.row if isinstance(getattr(self, name), (nn.Linear, nn.RNNBase))]
            for name in self.row:
                module = getattr(self, name)
                norm = isinstance(module, nn.BatchNorm1d)
                squashed = (squashed and norm) or (isinstance(module, nn.Linear) and name != linear[-1])
                x = module(x.transpose(1, 2)).transpose(1, 2) if norm else module(x)
                x = x[0] if isinstance(x, tuple) else x
                if squashed:
                    x = {"linear": lambda v: v, **vars(torch)}[next(activations)](x)
            return x

    torch.manual_seed(5)
    x = torch.randn(BATCH, STEPS, FEATURES)
    tokens = torch.randint(0, 7, (BATCH, STEPS))
    outputs = {"x": x.numpy(), "tokens": tokens.numpy()}
    for name, asked in ROWS.items():
        model = Network(*asked).eval()
        torch.save(model.state_dict(), folder / f"{name}.pt")
        with torch.no_grad():
            outputs[name] = model(tokens if "embedding" in name else x).numpy()
    np.savez(folder / "rows.npz", **outputs)


if __name__ == "__main__":
    (rows if sys.argv[2:] == ["rows"] else main)(Path(sys.argv[1]))
