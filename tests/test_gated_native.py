"""The native quantiser on cells other than the LSTM: close to the float model, and nothing saturates that need not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cell_stacks import STACKS, stacked
from models import recordings

from edge_lstm.integer import NativeFastGrnn, Scheme
from edge_lstm.metrics import signal_to_noise
from edge_lstm.model import FastGrnnWeights
from edge_lstm.modelfile import decode_model, encode_model
from edge_lstm.reference import network, replay
from edge_lstm_calibration import calibrate, quantise_native

FLOORS: dict[Scheme, float] = {"w8a16": 36.0, "w8a8": 22.0}
"""dB of the outputs of random networks of up to six layers; the least that was measured is 38.5 and 24.6."""


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_outputs_are_those_of_the_float_model(name: str, scheme: Scheme) -> None:
    """And a model file gives the same integers back."""
    model = stacked(*STACKS[name])
    series = recordings(model, count=6, steps=200)
    integer = decode_model(encode_model(quantise_native(model, calibrate(model, series), scheme)))
    found = replay(network(integer), [integer.encoding.encode(s) for s in series])
    exact = replay(network(model), [model.interface.scaling.apply(s) for s in series])
    ratio = signal_to_noise(exact, [integer.decoding.decode(codes) for codes in found])["pooled"]
    assert ratio is not None
    assert ratio > FLOORS[scheme]


def test_a_candidate_far_from_its_gate_is_not_cut_off() -> None:
    """The difference of a FastGRNN's biases is a constant in the format of the rows, and widens it where it must."""
    model = stacked(3, (("fastgrnn", 4),), 2)
    layer = model.layers[0]
    assert isinstance(layer, FastGrnnWeights)
    bias = np.stack([np.zeros(4), np.full(4, 12.0)])
    model = replace(model, layers=(replace(layer, bias=bias),))
    integer = quantise_native(model, calibrate(model, recordings(model)))
    quantised = integer.layers[0]
    assert isinstance(quantised, NativeFastGrnn)
    assert np.abs(quantised.candidate * 2.0**-quantised.row_bits - 12.0).max() <= 2.0**-quantised.row_bits
