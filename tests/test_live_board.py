"""A board at the other end of a wire obeys the same policies, and its state outlives the program and its power."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from live_streams import text
from qemu_boards import SERIES, build_firmware, over_pty, write_board_bundle

from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.streaming import Stream

BOARD = "mps2-an386"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_board_bundle(tmp_path_factory.mktemp("bundle"), BOARD)


@pytest.fixture(scope="module")
def elf(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_firmware(bundle, tmp_path_factory.mktemp("build"))


def test_a_board_goes_on_after_a_power_cut(bundle, elf, tmp_path):
    """A held value and a cut in the middle of a window: the lines of one stream on the reference."""
    wanted = SERIES[0][:50].astype(np.float64)
    sent, held = wanted.copy(), wanted.copy()
    sent[31, 1], held[31, 1] = np.nan, wanted[30, 1]
    heard, said = [], []
    for part in (sent[:27], sent[27:]):
        with over_pty(BOARD, elf) as path:  # each time a board that was just switched on
            asked = ["--target", path, "--every-step", "--missing", "hold", "--state", str(tmp_path / "s")]
            done = CliRunner().invoke(cli, ["stream", str(bundle.path), *asked], input=text(part))
        assert done.exit_code == 0, done.output
        heard += done.stdout.splitlines()
        said.append(done.stderr)
    made = Stream(bundle, "reference", "native", every_step=True).push_many(held)
    assert heard == [p.to_text() for p in made]
    assert "1 missing values held" in said[1]
