"""``python torch_models.py FOLDER``: state dicts as PyTorch saves them, and what it computes from them.

Needs torch, which the tests do not: what it writes is in ``tests/torch_saved``, made by torch 1.13. ``outputs.npz``
holds for every file that can be imported outputs (B, T, O) by its name, all of the inputs ``x`` (B, T, F).
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

REFUSED = {
    "lstm-bidirectional": "reads backwards (bidirectional)",
    "gru-bidirectional": "reads backwards (bidirectional)",
    "rnn-bidirectional": "reads backwards (bidirectional)",
    "lstm-projection": "has a projection (proj_size)",
}
"""Name of a file that cannot be imported → what the refusal says."""


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
    for name in REFUSED:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
