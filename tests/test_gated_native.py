"""The native quantiser on cells other than the LSTM: close to the float model, and nothing saturates that need not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cell_stacks import STACKS, stacked
from models import recordings

from edge_lstm.arithmetic.native import seen_through
from edge_lstm.errors import ModelError, QuantisationError
from edge_lstm.integer import NativeFastGrnn, NativePeepholeLstm, Scheme
from edge_lstm.metrics import signal_to_noise
from edge_lstm.model import FastGrnnWeights, PeepholeLstmWeights
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


@pytest.mark.parametrize("bits", range(6, 21))
def test_what_a_peephole_shows_needs_no_more_than_32_bits(bits: int) -> None:
    """The product by halves is the exact one shifted, to the ends of both."""
    rng = np.random.default_rng(bits)
    ends = np.array([-(1 << 30), -65536, -1, 0, 1, 65535, (1 << 30) - 1])
    c = np.concatenate([ends, rng.integers(-(1 << 30), 1 << 30, 500)]).astype(np.int32)
    p = np.array([-32767, -1, 0, 1, 12345, 32767], np.int32)[:, None]
    shift = bits - 5
    exact = (((p.astype(object) * c) >> 16) + (1 << (shift - 1))) >> shift
    assert np.array_equal(seen_through(p, c, bits), exact)


@pytest.mark.parametrize("largest", [1e-4, 0.3, 0.999, 1.0, 40.0, 500.0])
def test_peepholes_take_the_finest_format_that_holds_them(largest: float) -> None:
    """Half a code of the largest at most is lost, and it is not cut off."""
    model = stacked(3, (("lstm-peephole", 4),), 2)
    layer = model.layers[0]
    assert isinstance(layer, PeepholeLstmWeights)
    peephole = np.linspace(-largest, 0.9 * largest, 12).reshape(3, 4)
    integer = quantise_native(
        replace(model, layers=(replace(layer, peephole=peephole),)), calibrate(model, recordings(model))
    )
    quantised = integer.layers[0]
    assert isinstance(quantised, NativePeepholeLstm)
    step = 2.0**-quantised.peephole_bits
    assert np.abs(quantised.peephole * step - peephole).max() <= step
    assert step == 2.0**-20 or np.abs(quantised.peephole).max() > 16000


def test_peepholes_beyond_every_format_are_refused() -> None:
    """On quantisation, and on construction."""
    model = stacked(3, (("lstm-peephole", 4),), 2)
    layer = model.layers[0]
    assert isinstance(layer, PeepholeLstmWeights)
    huge = replace(model, layers=(replace(layer, peephole=np.full((3, 4), 600.0)),))
    with pytest.raises(QuantisationError, match="a peephole has the weight 600, integers hold up to 512"):
        quantise_native(huge, calibrate(model, recordings(model)))
    quantised = quantise_native(model, calibrate(model, recordings(model))).layers[0]
    assert isinstance(quantised, NativePeepholeLstm)
    for changed, says in (
        ({"peephole": np.full((3, 4), -32768)}, "-32767..32767"),
        ({"peephole": np.zeros((4, 4))}, r"expected \(3, 4\)"),
        ({"peephole_bits": 21}, "expected 6..20"),
    ):
        with pytest.raises(ModelError, match=says):
            replace(quantised, **changed)
    with pytest.raises(ModelError, match=r"LSTM-PEEPHOLE peephole has shape \(1, 4\); expected \(3, 4\)"):
        replace(layer, peephole=np.zeros((1, 4)))


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
