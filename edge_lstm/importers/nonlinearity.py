"""What simple RNNs of a PyTorch state dict squash with: the file does not say, so somebody else must."""

from __future__ import annotations

from dataclasses import replace

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import described
from edge_lstm.importers.chain import Chain, Part, Recurrent
from edge_lstm.importers.torch_file import SUPPOSED_TANH
from edge_lstm.model import RnnActivation, RnnWeights


def with_nonlinearity(chain: Chain, nonlinearity: RnnActivation | None) -> Chain:
    """The chain with its simple RNNs as they were said to be; None leaves them as the file has them.

    Raises:
        ModelError: if the file says it itself, or has no simple RNN.
    """
    if nonlinearity is None:
        return chain
    if chain.format != "pytorch":
        raise ModelError(f"a file of {chain.format} says itself what its layers squash with; leave --nonlinearity out")
    parts = tuple(_told(part, nonlinearity) for part in chain.parts)
    if not any(_is_rnn(part) for part in parts):
        raise ModelError("the state dict has no simple RNN, whose nonlinearity could be told; leave --nonlinearity out")
    return replace(chain, parts=parts, notes=tuple(note for note in chain.notes if note != SUPPOSED_TANH))


def _is_rnn(part: Part) -> bool:
    return isinstance(part.does, Recurrent) and isinstance(part.does.weights, RnnWeights)


def _told(part: Part, nonlinearity: RnnActivation) -> Part:
    does = part.does
    if not isinstance(does, Recurrent) or not isinstance(does.weights, RnnWeights):
        return part
    weights = replace(does.weights, activation=nonlinearity)
    return replace(part, does=replace(does, weights=weights), note=described(weights))
