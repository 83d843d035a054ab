"""Model files hold a model whole, and say so when they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models import float_model, native_model, recordings, tflite_model
from safetensors.numpy import save

from edge_lstm.errors import ModelError
from edge_lstm.model import AnomalyRule, Interface, RnnWeights, Scaling, Task
from edge_lstm.modelfile import (
    decode_model,
    encode_model,
    interface_from_json,
    interface_to_json,
    load_model,
    save_model,
)
from edge_lstm.reference import network, replay


@pytest.mark.parametrize(
    "model",
    [float_model(units=(8, 4)), native_model(units=(8, 4)), native_model("w8a8"), tflite_model(units=(8, 4))],
    ids=["float", "native w8a16", "native w8a8", "tflite"],
)
def test_a_model_comes_back_as_it_was(model, tmp_path) -> None:
    """The bytes are the same again, and so is what the model computes."""
    save_model(model, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert encode_model(again) == encode_model(model)
    series = recordings(float_model())[0]
    x = model.encoding.encode(series) if hasattr(model, "encoding") else model.interface.scaling.apply(series)
    np.testing.assert_array_equal(replay(network(again), [x])[0], replay(network(model), [x])[0])


def test_a_simple_rnn_says_what_it_squashes_with_where_it_is_not_tanh() -> None:
    """So a file of before there was a choice is read as what it was, and written as it was."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((1, 3, 2), (1, 3, 3), (1, 3))]
    for activation in ("tanh", "relu"):
        model = replace(float_model(2, (3,)), layers=(RnnWeights(*arrays, activation),))
        content = encode_model(model)
        assert (b"relu" in content, b"activation" in content) == ((activation == "relu",) * 2)
        (layer,) = decode_model(content).layers
        assert layer.activation == activation
        assert encode_model(decode_model(content)) == content
    with pytest.raises(ModelError, match="choose one of tanh, relu"):
        RnnWeights(*arrays, "gelu")


def test_an_interface_with_an_anomaly_rule_comes_back() -> None:
    """Nested rules and tuples survive JSON."""
    task = Task("anomaly", ("t",), horizon=1, target_channels=(0,), anomaly=AnomalyRule(0.1, 2.5, 0.99))
    interface = Interface(("t",), Scaling.identity(1), task, Scaling.identity(1), 1.0, {"kind": "mfcc"}, {"seed": 1})
    assert interface_to_json(interface_from_json(interface_to_json(interface))) == interface_to_json(interface)
    assert interface_from_json(interface_to_json(interface)).task == task


@pytest.mark.parametrize(
    ("data", "phrase"),
    [
        (b"", "not a .safetensors file"),
        (b"\x80\x04pickle", "not a .safetensors file"),
        (save({"a": np.zeros(3)}), "not one of edge-lstm"),
        (save({"a": np.zeros(3)}, {"edge-lstm": '{"schema": 99}'}), "model schema 99, this version reads 1"),
        (save({"a": np.zeros(3)}, {"edge-lstm": "{"}), "its header is not JSON"),
        (save({"a": np.zeros(3)}, {"edge-lstm": "[]"}), "model schema None, this version reads 1"),
        (save({"a": np.zeros(3)}, {"edge-lstm": '{"schema": 1, "kind": "float"}'}), "incomplete or changed"),
        (encode_model(float_model())[:-5], "not a .safetensors file"),
    ],
)
def test_a_file_that_is_no_model_is_refused(data, phrase) -> None:
    """What it is instead, in one line, with the file named."""
    with pytest.raises(ModelError, match=rf"^here: .*{phrase}"):
        decode_model(data, "here")


def test_a_missing_model_file_is_one_clear_line(tmp_path) -> None:
    """The path, the reason, the next move."""
    with pytest.raises(ModelError, match=r"none\.safetensors: cannot be read \(No such file.*train a model first"):
        load_model(tmp_path / "none.safetensors")
