"""What a stack of any cells would take, measured on a model of noughts of that shape."""

from __future__ import annotations

import numpy as np
import pytest
from board_nets import check_core
from c_nets import random_codes, random_gated
from click.testing import CliRunner

from edge_lstm.board import load_board
from edge_lstm.cli import cli
from edge_lstm_export.c_source import write_c
from edge_lstm_export.fit import Shape
from edge_lstm_export.fit_measured import measure
from edge_lstm_export.size import flash_parts, link

CELLS = (("gru", 12), ("dense", 6), ("conv", 7), ("rnn", 5))
OTHERS = (("rnn-relu", 8), ("lstm-peephole", 7))
BOTH = (("both-lstm", 10), ("rnn", 6))


@pytest.mark.parametrize(
    "stack", [CELLS, OTHERS, BOTH], ids=["gru, dense, rnn", "rnn-relu, lstm-peephole", "bilstm, rnn"]
)
@pytest.mark.parametrize("board", ["nucleo-f446re", "arduino-uno"])
def test_noughts_take_what_weights_take(board: str, stack: tuple[tuple[str, int], ...]) -> None:
    """Flash to the byte; a step of real weights within 4 %: on AVR a shift takes as long as it is wide."""
    facts = load_board(board)
    real = random_gated(3, 4, stack, 3, "w8a16")
    ways = [1 + cell.startswith("both-") for cell, _ in stack]
    cells = tuple(cell.replace("both-", "bi") for cell, _ in stack)
    units = tuple(units // each for (_, units), each in zip(stack, ways, strict=True))
    spans = {key: getattr(layer, key) for layer in real.layers for key in ("taps", "look_ahead") if hasattr(layer, key)}
    shape = Shape(4, units, 3, labels=False, text_bytes=0, cells=cells, **spans)
    found = measure(shape, facts).on_board
    image = link(write_c(real, kernel_set_name=facts.core.kernels), facts, labels=False)
    assert found.footprint.flash == flash_parts(image)
    counts = check_core(facts.core.name, real, random_codes(real, 20)).counts
    assert found.footprint.count == pytest.approx(float(np.median(counts)), rel=0.04)


def test_a_model_too_large_is_not_run() -> None:
    """It is measured all the same, and says by how much it is over."""
    shape = Shape(4, (96,), 3, labels=True, text_bytes=9, cells=("gru",))
    found = measure(shape, load_board("arduino-uno")).on_board
    assert not found.fits
    assert found.headroom["flash"] < 0 or found.headroom["ram"] < 0
    assert found.footprint.count is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--cell", "gru", "--units", "16"], "a step: "),
        (["--cell", "gru,lstm", "--units", "16"], "--cell names 2 layers, --units 1"),
        (["--cell", "conv,gru", "--units", "8,16", "--taps", "5"], "a step: "),
        (["--cell", "conv,gru", "--units", "8,16", "--taps", "1"], "taps is 1; give 2 to 64"),
        (["--cell", "bigru,lstm", "--units", "8,16", "--look-ahead", "3"], "a step: "),
        (["--cell", "bigru", "--units", "8", "--look-ahead", "0"], "look_ahead is 0; give 1 to 64"),
        (["--cell", "vanilla", "--units", "16"], "--cell 'vanilla' is not known"),
    ],
)
def test_the_command_takes_cells(asked: list[str], said: str) -> None:
    """One for all layers, or one a layer; anything else in one line."""
    whole = ["fit", "--board", "nucleo-f446re", "--features", "4", "--outputs", "3", *asked]
    done = CliRunner().invoke(cli, whole)
    assert said in done.output, done.output
    assert done.exit_code == (0 if "step" in said else 2)
