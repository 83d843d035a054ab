"""Every rule that runtimes do not check themselves: our writer keeps it, and refuses a graph that breaks it."""

import numpy as np
import pytest
from models import float_model, tflite_model

from edge_lstm.errors import ExportError
from edge_lstm.integer import Quant
from edge_lstm_export.tflite import rules
from edge_lstm_export.tflite.fused import fused_graph
from edge_lstm_export.tflite.graph import schema


def lstm(graph):
    return graph.main.operators[0]


def tensor(graph, name):
    return next(tensor for tensor in graph.main.tensors if tensor.name == name)


def scale(graph, name, value):
    tensor(graph, name).quantization.scale = [value]


def code(graph, index, version):
    graph.model.operatorCodes[index].version = version


def with_fewer_operands(graph):
    lstm(graph).inputs = lstm(graph).inputs[:20]


def with_peepholes(graph):
    lstm(graph).inputs[9] = lstm(graph).inputs[12]


def with_a_cell_clip(graph):
    lstm(graph).builtinOptions.cellClip = 10.0


def with_another_activation(graph):
    lstm(graph).builtinOptions.fusedActivationFunction = schema().ActivationFunctionType.RELU


def time_major(graph):
    lstm(graph).builtinOptions.timeMajor = True


def with_a_flat_output(graph):
    tensor(graph, "layer0/output").shape = [1, 8]


def with_a_constant_state(graph):
    tensor(graph, "layer0/h").isVariable = False


def without_a_cell_state(graph):
    lstm(graph).inputs[19] = -1


def with_four_intermediates(graph):
    lstm(graph).intermediates = lstm(graph).intermediates[:4]


def with_an_intermediate_of_int8(graph):
    tensor(graph, "layer0/intermediate0").type = schema().TensorType.INT8


def with_full_intermediates(graph):
    tensor(graph, "layer0/intermediate4").shape = [8]


def with_scales_a_channel(graph):
    quantisation = tensor(graph, "layer0/R_f").quantization
    quantisation.scale, quantisation.zeroPoint = [0.01] * 8, [0] * 8


def with_a_zero_point_on_weights(graph):
    tensor(graph, "layer0/W_i").quantization.zeroPoint = [1]


def with_weights_of_minus_128(graph, name="layer0/W_o"):
    buffer = graph.model.buffers[tensor(graph, name).buffer]
    buffer.data = np.full(len(buffer.data), -128, np.int8).tobytes()


def with_a_cell_zero_point(graph):
    tensor(graph, "layer0/c").quantization.zeroPoint = [1]


def without_a_dense_bias(graph):
    graph.main.operators[-1].inputs[2] = -1


def with_a_bias_of_int16(graph):
    tensor(graph, "head/b").type = schema().TensorType.INT16


BROKEN = [
    (rules.has_24_operands, with_fewer_operands),
    (rules.has_a_known_version, lambda graph: code(graph, 0, 2)),
    (rules.is_a_plain_cell, with_peepholes),
    (rules.has_tanh_and_no_clip, with_a_cell_clip),
    (rules.has_tanh_and_no_clip, with_another_activation),
    (rules.has_tanh_and_no_clip, time_major),
    (rules.has_rank_3_ends, with_a_flat_output),
    (rules.keeps_its_state, with_a_constant_state),
    (rules.keeps_its_state, without_a_cell_state),
    (rules.has_a_power_of_two_cell, lambda graph: scale(graph, "layer0/c", 2.0**-12 * 1.5)),
    (rules.has_a_power_of_two_cell, with_a_cell_zero_point),
    (rules.has_a_cell_tanh_can_read, lambda graph: scale(graph, "layer0/c", 2.0**-8)),
    (rules.has_a_cell_tanh_can_read, lambda graph: scale(graph, "layer0/c", 2.0**-16)),
    (rules.has_five_intermediates, with_four_intermediates),
    (rules.has_five_intermediates, with_an_intermediate_of_int8),
    (rules.has_five_intermediates, with_full_intermediates),
    (rules.has_one_hidden_quantisation, lambda graph: scale(graph, "layer0/intermediate4", 0.5)),
    (rules.has_one_hidden_quantisation, lambda graph: scale(graph, "layer0/h", 0.5)),
    (rules.has_symmetric_gate_weights, with_scales_a_channel),
    (rules.has_symmetric_gate_weights, with_a_zero_point_on_weights),
    (rules.has_narrow_gate_weights, with_weights_of_minus_128),
    (rules.has_gate_biases_of_the_accumulator, lambda graph: scale(graph, "layer0/b_g", 0.5)),
    (rules.has_an_explicit_bias, without_a_dense_bias),
    (rules.has_the_bias_of_the_accumulator, lambda graph: scale(graph, "head/b", 0.5)),
    (rules.has_the_bias_of_the_accumulator, with_a_bias_of_int16),
    (rules.has_narrow_weights, lambda graph: with_weights_of_minus_128(graph, "head/W")),
    (rules.has_a_version_old_runtimes_load, lambda graph: code(graph, 1, 12)),
]


@pytest.fixture(scope="module")
def model():
    return tflite_model(units=(8,))


@pytest.mark.parametrize(("rule", "broken"), BROKEN)
def test_a_broken_rule_is_refused_by_its_name(model, rule, broken):
    """The error says what was found and quotes the rule that forbids it."""
    graph = fused_graph(model)
    rules.check(graph)
    broken(graph)
    with pytest.raises(ExportError, match="cannot be written") as refusal:
        rules.check(graph)
    assert " ".join(rule.__doc__.split()).rstrip(".") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_rule_is_broken_by_a_test():
    """No rule is without a graph that breaks it."""
    listed = {rule for for_int8, for_float in rules.RULES.values() for rule in (*for_int8, *for_float)}
    assert listed == {rule for rule, _ in BROKEN}


def test_layers_that_disagree_about_the_tensor_between_them_are_refused():
    """A layer's output has one quantisation, the one that the next layer's integers were made for."""
    from dataclasses import replace

    from edge_lstm_export.tflite import fused_tflite

    model = tflite_model(units=(8, 5))
    second = replace(model.layers[1], input=Quant(0.5, 3))
    with pytest.raises(ExportError, match="quantise the model anew"):
        fused_tflite(replace(model, layers=(model.layers[0], second)))


def test_float_lstms_are_held_to_the_rules_that_concern_them():
    """A float graph has no quantisation to check, but operands, state and shape are."""
    from edge_lstm_export.tflite.floating import float_graph

    graph = float_graph(float_model())
    rules.check(graph)
    with_a_constant_state(graph)
    with pytest.raises(ExportError, match="variable"):
        rules.check(graph)
