"""The explicit-state int8 file: runtimes compute the reference's bytes, and the reference follows the float network."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from models import calibrated, float_model, recordings
from tflite_models import random_codes

from edge_lstm.arithmetic import tflite_ops
from edge_lstm.errors import ModelError
from edge_lstm.integer import Quant
from edge_lstm.integer_step import SIGMOID_OUTPUT, TANH_OUTPUT, StepModel
from edge_lstm.modelfile import decode_model, encode_model
from edge_lstm.reference import network, replay, trace
from edge_lstm.runtimes.worker import Job, run_jobs
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.tflite import operators, step_tflite
from edge_lstm_export.tflite.graph import Graph

SIZES = [(1, (1,), 1), (3, (5,), 2), (9, (32,), 6), (40, (48, 16), 9), (3, (5, 16, 32), 2)]
STEPS = 2000
ARITHMETIC = {"tflite-runtime": "tflite", "litert": "tflite", "tflm": "tflm"}


def step_model(features=3, units=(8,), outputs=2, gain=1.0, rounding="compensated"):
    model = float_model(features, units, outputs, gain=gain, kind="tag")
    return model, quantise_step(model, calibrated(model), rounding)


@pytest.mark.parametrize(("runtime", "arithmetic"), list(ARITHMETIC.items()))
def test_every_byte_of_outputs_and_states_equals_the_reference(runtime, arithmetic, tmp_path):
    """Odd sizes, 1-3 layers, 2,000 random samples, in single steps and in chunks."""
    jobs, models, inputs = [], [], []
    for k, size in enumerate(SIZES):
        models.append(step_model(*size, gain=1.5)[1])
        (tmp_path / f"{k}.tflite").write_bytes(step_tflite(models[-1]))
        inputs.append(random_codes(size[0], STEPS, seed=k))
        jobs += [Job(tmp_path / f"{k}.tflite", inputs[-1:]), Job(tmp_path / f"{k}.tflite", inputs[-1:], chunk=61)]
    computed = run_jobs(runtime, jobs)
    for model, codes, (stepped,), (chunked,) in zip(models, inputs, computed[::2], computed[1::2], strict=True):
        expected = trace(network(model, arithmetic), codes)
        np.testing.assert_array_equal(stepped.outputs, expected[len(model.layers), "y"])
        np.testing.assert_array_equal(chunked.outputs, stepped.outputs)
        for layer, (h, c) in enumerate(stepped.states):
            np.testing.assert_array_equal(h, expected[layer, "h"])
            np.testing.assert_array_equal(c, expected[layer, "c"])


# argv[1] is the runtime; stdin holds models of one or two inputs as lines of hex; stdout what each gives for all codes,
# or for all pairs of codes.
RUN_OPERATORS = """
import sys
import numpy as np
codes = np.arange(-128, 128, dtype=np.int8)
pairs = [np.repeat(codes, 256)[None], np.tile(codes, 256)[None]]
for line in sys.stdin:
    content = bytes.fromhex(line)
    if sys.argv[1] == "tflm":
        from tflite_micro.python.tflite_micro import runtime
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
        inputs = pairs if interpreter.get_input_details(0)["shape"][1] == 65536 else [codes[None]]
        for index, values in enumerate(inputs):
            interpreter.set_input(values, index)
        interpreter.invoke()
        y = interpreter.get_output(0)
    else:
        if sys.argv[1] == "litert":
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        else:
            from tflite_runtime.interpreter import Interpreter, OpResolverType
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
        interpreter.allocate_tensors()
        details = interpreter.get_input_details()
        for entry, values in zip(details, pairs if len(details) == 2 else [codes[None]]):
            interpreter.set_tensor(entry["index"], values)
        interpreter.invoke()
        y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    print(np.asarray(y, np.int8).tobytes().hex())
"""


def computed_by(runtime, models):
    command = [sys.executable, "-c", RUN_OPERATORS, runtime]
    lines = "\n".join(model.hex() for model in models)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return [np.frombuffer(bytes.fromhex(line), np.int8) for line in done.stdout.split()]


def random_quant(rng):
    return Quant(float(np.exp(rng.uniform(-9, 0))), int(rng.integers(-128, 128)))


@pytest.mark.parametrize(("runtime", "arithmetic"), list(ARITHMETIC.items()))
def test_activation_tables_equal_the_operators_for_every_code(runtime, arithmetic):
    """LOGISTIC and TANH of all 256 codes under 150 random quantisations."""
    rng = np.random.default_rng(0)
    models, expected = [], []
    for _ in range(150):
        source = random_quant(rng)
        for kind, table, target in (
            ("LOGISTIC", tflite_ops.sigmoid_table, SIGMOID_OUTPUT),
            ("TANH", tflite_ops.tanh_table, TANH_OUTPUT),
        ):
            graph = Graph("one operator")
            x, y = graph.tensor("x", np.int8, (1, 256), source), graph.tensor("y", np.int8, (1, 256), target)
            operators.squash(graph, kind, x, y)
            graph.finish([x], [y])
            models.append(graph.serialise())
            expected.append(table(source, target, arithmetic))
    np.testing.assert_array_equal(computed_by(runtime, models), expected)


BETWEEN_CODES = [Quant(0.007843137718737125, -1), Quant(0.9883117091303751 / 127), Quant(0.0078125)]
"""65 times 127 in these is 64.492…, a tie for what rounds twice, if the product of the scales is in float32."""


@pytest.mark.parametrize(("runtime", "arithmetic"), list(ARITHMETIC.items()))
@pytest.mark.parametrize(
    ("write", "compute"),
    [
        (operators.add, lambda _: tflite_ops.add),
        (operators.sub, lambda _: tflite_ops.sub),
        (operators.mul, tflite_ops.mul_of),
    ],
)
def test_sums_differences_and_products_equal_the_operators_for_every_pair_of_codes(runtime, arithmetic, write, compute):
    """ADD, SUB and MUL of all 65,536 pairs under 12 random quantisations of trained sizes, and a nasty one."""
    rng = np.random.default_rng(1)
    a, b = np.arange(-128, 128)[:, None], np.arange(-128, 128)[None, :]
    models, expected = [], []
    drawn = [
        [Quant(float(np.exp(rng.uniform(-6, -3))), int(rng.integers(-128, 128))) for _ in range(3)] for _ in range(12)
    ]
    for quants in (BETWEEN_CODES, *drawn):
        graph = Graph("one operator")
        tensors = [graph.tensor(n, np.int8, (1, 65536), q) for n, q in zip(("a", "b", "y"), quants, strict=True)]
        write(graph, *tensors)
        graph.finish(tensors[:2], tensors[2:])
        models.append(graph.serialise())
        expected.append(compute(arithmetic)(a, quants[0], b, quants[1], quants[2]).reshape(-1))
    np.testing.assert_array_equal(computed_by(runtime, models), expected)


def test_the_encoding_is_folded_into_the_first_layer_without_bias():
    """Pre-activations of single samples are off by less than a quarter of a code on average: no offset went astray."""
    model, step = step_model(1, (6,), 1, rounding="nearest")
    physical = np.concatenate(recordings(model))
    x = model.interface.scaling.apply(physical)
    wanted = trace(network(model), x, window=1)
    found = trace(network(step), step.encoding.encode(physical), window=1)
    for gate, block in zip("ifgo", step.layers[0].gates, strict=True):
        quant = block.output
        inside = np.abs(found[0, f"{gate}_pre"]) < 127
        error = found[0, f"{gate}_pre"] - (wanted[0, f"{gate}_pre"] / quant.scale + quant.zero)
        assert np.abs(error[inside].mean()) < 0.25


@pytest.mark.parametrize("arithmetic", ["tflite", "tflm"])
def test_the_reference_follows_the_float_network(arithmetic):
    """Signal-to-noise over recordings the calibration did not see stays above what 8-bit tensors can be blamed for."""
    model, step = step_model(9, (16,), 3)
    unseen = recordings(model, seed=9)
    wanted = np.concatenate(replay(network(model), [model.interface.scaling.apply(r) for r in unseen]))
    codes = replay(network(step, arithmetic), [step.encoding.encode(r) for r in unseen])
    error = step.decoding.decode(np.concatenate(codes)) - wanted
    # Measured 28.0 dB. One tensor of 8 bits gives about 45 dB; a dozen in a row, and a state that feeds back, cost the
    # rest. A wrong sign, scale or zero point anywhere falls below 15 dB.
    assert 10 * np.log10(wanted.var() / (error**2).mean()) > 25


def test_each_channel_uses_its_own_step():
    """Channels of very different units and offsets span -120 to 120 on the calibration recordings."""
    model, step = step_model(5, (8,), 2)
    codes = np.concatenate([step.encoding.encode(r) for r in recordings(model)])
    np.testing.assert_array_equal(codes.min(axis=0), -120)
    np.testing.assert_array_equal(codes.max(axis=0), 120)


def test_a_channel_that_never_moved_is_still_encoded():
    """A constant calibration channel gets a range of its own instead of a division by zero."""
    model = float_model(2, (4,), 1, kind="tag")
    series = [r.copy() for r in recordings(model)]
    for recording in series:
        recording[:, 1] = 5.0
    from edge_lstm_calibration import calibrate

    step = quantise_step(model, calibrate(model, series))
    assert np.isfinite(step.encoding.gain).all()
    assert -128 < step.encoding.encode(series[0])[0, 1] < 127


def test_state_goes_out_as_it_comes_in():
    """Each new state has the shape and quantisation of the state it replaces, so a loop copies bytes."""
    from ai_edge_litert.interpreter import Interpreter

    _, step = step_model(3, (8, 5), 2)
    interpreter = Interpreter(model_content=step_tflite(step))
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    assert [entry["name"] for entry in inputs] == ["x", "layer0/h", "layer0/c", "layer1/h", "layer1/c"]
    for before, after in zip(inputs[1:], outputs[1:], strict=True):
        assert before["quantization"] == after["quantization"]
        assert before["dtype"] is after["dtype"] is np.int8
        np.testing.assert_array_equal(before["shape"], after["shape"])


def test_the_file_holds_int8_operators_only():
    """No variable tensors, no int16: what the Edge TPU's compiler cannot map is not there."""
    from ai_edge_litert.interpreter import Interpreter

    _, step = step_model(3, (8, 5), 2)
    interpreter = Interpreter(model_content=step_tflite(step))
    assert {np.dtype(entry["dtype"]) for entry in interpreter.get_tensor_details()} == {np.dtype("i1"), np.dtype("i4")}
    kinds = {entry["op_name"] for entry in interpreter._get_ops_details()}
    assert kinds <= {"FULLY_CONNECTED", "CONCATENATION", "ADD", "MUL", "LOGISTIC", "TANH", "DELEGATE"}


def test_exporting_twice_gives_identical_bytes():
    """Equal models give equal files."""
    assert step_tflite(step_model()[1]) == step_tflite(step_model()[1])


def test_a_model_survives_its_file():
    """A model file gives back a model that exports to the same bytes and encodes samples alike."""
    _, step = step_model(3, (8, 5), 2)
    again = decode_model(encode_model(step))
    assert step_tflite(again) == step_tflite(step)
    sample = np.random.default_rng(0).normal(0, 5, (20, 3))
    np.testing.assert_array_equal(again.encoding.encode(sample), step.encoding.encode(sample))


def test_layers_with_two_quantisations_of_h_are_refused():
    """x and h are concatenated, so a model with another quantisation anywhere is refused on construction."""
    _, step = step_model()
    with pytest.raises(ModelError, match="one quantisation of h"):
        StepModel(step.layers, replace(step.head, input=Quant(0.5)), step.encoding, step.decoding, step.interface)
