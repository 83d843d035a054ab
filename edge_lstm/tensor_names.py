"""Names of the tensors that carry state in our TFLite files.

TFLite has no field that says which variable is which; exporter and runtimes agree by name, and the names are what a
user sees in Netron.
"""

from __future__ import annotations


def hidden_state(layer: int) -> str:
    """Hidden state of a layer; in an explicit-state file, the input."""
    return f"layer{layer}/h"


def cell_state(layer: int) -> str:
    """Cell state of a layer, or what its hidden state lost to rounding; in an explicit-state file, the input."""
    return f"layer{layer}/c"


def inputs_before(layer: int) -> str:
    """Inputs of the last steps, of a layer that looks ahead."""
    return f"layer{layer}/x"


def hidden_before(layer: int) -> str:
    """Hidden states of the forward half of the last steps, of a layer that looks ahead."""
    return f"layer{layer}/f"


BESIDE_HIDDEN = (cell_state, inputs_before, hidden_before)
"""What a layer may carry besides its hidden state, in the order of its c elsewhere."""

NEW = "_new"
"""Suffix of a state's name on its way out of an explicit-state file."""
