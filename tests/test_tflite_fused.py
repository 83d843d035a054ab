"""The fused int8 file: tflite-runtime, LiteRT and TFLM compute the reference's bytes, outputs and states."""

import re

import numpy as np
import pytest
from models import recordings, tflite_model
from tflite_models import SIZES, random_codes, random_integer_model

from edge_lstm.reference import network, trace
from edge_lstm.runtimes.worker import Job, run_jobs
from edge_lstm_export.tflite import fused_tflite
from edge_lstm_export.tflite.fused import fused_graph

ARITHMETIC = {"tflite-runtime": "tflite", "litert": "tflite", "tflm": "tflm"}
STEPS = 2500
# Output over accumulator scale: multipliers with left shifts 2 and 1, none (exact halves, where a rounding rule shows),
# and right shifts.
DENSE_RATIOS = (0.3, 0.9, 1.3, 2.0, 2.9, 200.0)


def cases():
    found = {f"{size}": (random_integer_model(*size, seed=k), size[0]) for k, size in enumerate(SIZES)}
    for k, ratio in enumerate(DENSE_RATIOS):
        found[f"dense ratio {ratio}"] = random_integer_model(2, (8,), 3, seed=100 + k, dense_ratio=ratio), 2
    return found


CASES = cases()


@pytest.fixture(scope="module", params=list(ARITHMETIC))
def traces(request, tmp_path_factory):
    """Runtime → what it computed on every case, in single steps and in chunks of 97, in one process of its own."""
    folder = tmp_path_factory.mktemp("fused")
    jobs = []
    for k, (model, features) in enumerate(CASES.values()):
        file = folder / f"{k}.tflite"
        file.write_bytes(fused_tflite(model))
        codes = [random_codes(features, STEPS, seed=k)]
        jobs += [Job(file, codes), Job(file, codes, chunk=97)]
    computed = run_jobs(request.param, jobs)
    pairs = zip(computed[::2], computed[1::2], strict=True)
    return request.param, dict(zip(CASES, pairs, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_every_byte_of_outputs_and_states_equals_the_reference(traces, case):
    """Random integers, odd sizes, 1-3 layers, 2,500 steps: y of every step, h and c of every layer and step."""
    runtime, computed = traces
    model, features = CASES[case]
    (stepped,), _ = computed[case]
    codes = random_codes(features, STEPS, seed=list(CASES).index(case))
    expected = trace(network(model, ARITHMETIC[runtime]), codes)
    np.testing.assert_array_equal(stepped.outputs, expected[len(model.layers), "y"])
    for layer, (h, c) in enumerate(stepped.states):
        np.testing.assert_array_equal(h, expected[layer, "h"])
        np.testing.assert_array_equal(c, expected[layer, "c"])


def test_chunks_equal_single_steps(traces):
    """Chunks of 97 give the bytes of single steps, and end in the same state."""
    _, computed = traces
    for (stepped,), (chunked,) in computed.values():
        np.testing.assert_array_equal(chunked.outputs, stepped.outputs)
        for (h, c), (h_all, c_all) in zip(chunked.states, stepped.states, strict=True):
            np.testing.assert_array_equal(h[-1], h_all[-1])
            np.testing.assert_array_equal(c[-1], c_all[-1])


def test_the_random_models_move():
    """The comparison says something: outputs take many values and are not all saturated."""
    for case, (model, features) in CASES.items():
        y = trace(network(model), random_codes(features, 300))[len(model.layers), "y"]
        assert len(np.unique(y)) > 3, case
        assert (np.abs(y) < 127).mean() > 0.1, case


def test_windows_zero_the_state_where_they_start(tmp_path):
    """A windowed stream equals the reference's replay of every window on its own."""
    model = tflite_model(units=(6, 4))
    (tmp_path / "m.tflite").write_bytes(fused_tflite(model))
    codes = model.encoding.encode(recordings(model)[0])
    for chunk in (1, 9):
        ((computed,),) = run_jobs("litert", [Job(tmp_path / "m.tflite", [codes], chunk, window=20)])
        np.testing.assert_array_equal(computed.outputs, trace(network(model), codes, window=20)[2, "y"])


def test_exporting_twice_gives_identical_bytes():
    """Equal models give equal files."""
    assert fused_tflite(tflite_model(units=(8, 5))) == fused_tflite(tflite_model(units=(8, 5)))


def test_constants_lie_at_multiples_of_16():
    """A Cortex-M0+ stops on an int32 bias at an odd address, and a flatbuffer in flash is read in place."""
    model = random_integer_model(3, (5,), 2)
    content = fused_tflite(model)
    for layer in model.layers:
        constants = [*layer.kernel, *layer.recurrent, *layer.bias, model.head.weights, model.head.bias]
        for constant in constants:
            places = [found.start() for found in re.finditer(re.escape(constant.tobytes()), content)]
            assert any(place % 16 == 0 for place in places)


def test_the_file_holds_the_models_integers_untouched():
    """The exporter rounds nothing: weights, biases and quantisation come back as they went in."""
    model = random_integer_model(3, (5,), 2)
    graph = fused_graph(model)
    tensors = {tensor.name: tensor for tensor in graph.main.tensors}
    for k, gate in enumerate("ifgo"):
        stored = graph.model.buffers[tensors[f"layer0/b_{gate}"].buffer].data
        np.testing.assert_array_equal(np.frombuffer(stored, np.int32), model.layers[0].bias[k])
    quantisation = tensors["layer0/output"].quantization
    assert (quantisation.scale, quantisation.zeroPoint) == (
        [model.layers[0].hidden.scale],
        [model.layers[0].hidden.zero],
    )


def test_the_signature_runs_a_step():
    """LiteRT's signature runner finds serving_default with readable names."""
    from ai_edge_litert.interpreter import Interpreter

    model = random_integer_model(3, (5,), 2)
    runner = Interpreter(model_content=fused_tflite(model)).get_signature_runner("serving_default")
    codes = random_codes(3, 1)
    y = runner(x=codes.reshape(1, 1, 3))["y"]
    np.testing.assert_array_equal(y[0], trace(network(model), codes)[1, "y"][0])
