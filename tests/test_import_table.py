"""What is imported and refused is written down, and every node test of onnx for a recurrent operator is decided."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

REVERSED = "refused: direction is reverse"
BOTH = "refused: direction is bidirectional: gives the end of what it reads from the end"
LATE = "refused: reads a sequence from its end, which a stream does not know; give --look-ahead N"
NODE_TESTS = {
    "test_gru_batchwise": "imported, equal",
    "test_gru_bidirectional": LATE,
    "test_gru_defaults": "imported, equal",
    "test_gru_reverse": REVERSED,
    "test_gru_seq_length": "imported, equal",
    "test_gru_with_initial_bias": "imported, equal",
    "test_lstm_batchwise": "imported, equal",
    "test_lstm_bidirectional": BOTH,
    "test_lstm_defaults": "imported, equal",
    "test_lstm_reverse": REVERSED,
    "test_lstm_with_initial_bias": "imported, equal",
    "test_lstm_with_peepholes": "imported, equal",
    "test_rnn_seq_length": "imported, equal",
    "test_simple_rnn_batchwise": "imported, equal",
    "test_simple_rnn_bidirectional": BOTH,
    "test_simple_rnn_defaults": "imported, equal",
    "test_simple_rnn_reverse": REVERSED,
    "test_simple_rnn_with_initial_bias": "imported, equal",
}
"""Every node test of the package onnx for LSTM, GRU and RNN → what becomes of it."""


@pytest.fixture(scope="module")
def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_import_table", ROOT / "docs" / "make_import_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_node_test_of_onnx_is_computed_or_refused_by_name(maker):
    """The outputs that onnx expects, whole and step by step; a new test asks for a decision."""
    results = maker.node_tests()
    assert results.keys() == NODE_TESTS.keys()
    assert {name for name, said in NODE_TESTS.items() if not results[name].startswith(said)} == set()


def test_a_node_test_with_other_outputs_is_found(maker, tmp_path):
    """The table would not be printed."""
    case = maker.cases()["test_gru_defaults"]
    inputs, outputs = case.data_sets[0]
    case.data_sets[0] = inputs, [outputs[0] * 1.001]
    try:
        with pytest.raises(AssertionError, match="test_gru_defaults"):
            maker._outcome(case, tmp_path / "m.onnx")
    finally:
        case.data_sets[0] = inputs, outputs


def test_the_page_is_what_the_code_says(maker):
    """Run `python docs/make_import_table.py` after a change."""
    assert maker.PAGE.read_text() == maker.page()
