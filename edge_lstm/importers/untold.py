"""What squashes between the layers of a file that holds no program: the user says it, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from edge_lstm.errors import ProjectError
from edge_lstm.importers.chain import Activation, Chain, Part
from edge_lstm.model import Activation as Squashing

CHOICES = get_args(Squashing)


def asked(names: Sequence[str]) -> str:
    """What to do about what is not said behind layers of these names."""
    wanted = f"give --activations with {', '.join(CHOICES)} behind {_listed(names)}, one each in this order"
    return f"the file does not say what is behind it; {wanted}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


_MOST_NAMES = 12
"""Of a line; the check lists all."""


def told(chain: Chain, activations: Sequence[str] | None) -> Chain:
    """The chain with what the user says in its ``untold`` places.

    Raises:
        ProjectError: if more or fewer are said than there are places, or one is no activation of a dense layer.
    """
    if activations is None:
        return chain
    names = [chain.parts[k].name for k in chain.untold]
    if len(activations) != len(names):
        places = f" (behind {_listed(names)})" if names else ""
        raise ProjectError(
            f"--activations says {len(activations)}, the file leaves {len(names)} open{places}; say as many"
        )
    strange = next((name for name in activations if name not in CHOICES), None)
    if strange is not None:
        raise ProjectError(f"--activations has {strange!r}; choose of {', '.join(CHOICES)}")
    parts = list(chain.parts)
    for k, name in zip(chain.untold, activations, strict=True):
        does = None if name == "linear" else Activation(name)  # type: ignore[arg-type]
        parts[k] = Part(parts[k].name, name, does, "as --activations says")
    return replace(chain, parts=tuple(parts), untold={})
