"""What a board with a runtime for TFLite gets unasked: the file that it can run."""

import pytest

from edge_lstm.bundle import TFLITE_FUSED, TFLITE_STEP, Bundle
from edge_lstm.deploy.deployment import extras_for
from edge_lstm.deploy.probe import Board
from edge_lstm.deploy.release import WITH
from edge_lstm.deploy.result import Wish
from edge_lstm.deploy.target import FolderTarget, SshTarget


def board(*packages):
    python = ("3.11.2", *packages)
    return Board("x86_64", "x86_64", "glibc 2.36", python, None, 1000, "pi", "/home/pi", None, None, False)


@pytest.mark.parametrize("runtime", ["tflite_runtime", "ai_edge_litert"])
def test_a_board_that_runs_tflite_gets_the_file_of_the_bundle(runnable_bundles, unfused_bundles, runtime):
    """The fused one, or the explicit-state one where TFLite fuses not every cell."""
    for bundles, extra, file in ((runnable_bundles, "tflite", TFLITE_FUSED), (unfused_bundles, "step", TFLITE_STEP)):
        bundle = Bundle.open(bundles["classify"])
        extras = extras_for(bundle, board(runtime), SshTarget("pi@board"), Wish(("float",)))
        assert extras == ("float", extra)
        assert bundle.has(file)
        assert file in WITH[extra]


def test_others_get_what_was_asked_for(unfused_bundles, tmp_path):
    """A board without a runtime, and a folder, which is not asked what it has."""
    bundle = Bundle.open(unfused_bundles["classify"])
    assert extras_for(bundle, board(), SshTarget("pi@board"), Wish()) == ()
    assert extras_for(bundle, board("ai_edge_litert"), FolderTarget(tmp_path), Wish()) == ()
