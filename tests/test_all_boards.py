"""Every board that comes with the project runs every kind of integer C, in its emulator, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import calibrated, float_model, recordings

from edge_lstm.board import board_names, core_names, load_board
from edge_lstm.bundle import Bundle
from edge_lstm.integer import CArithmetic, Scheme
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.board_verify import BoardReport, verify_boards
from edge_lstm_export.bundle_writer import Integers, int8_files, write_bundle
from edge_lstm_export.golden import STRESS_STEPS

MODEL = float_model(features=5, units=(9, 7), outputs=3, window=24)
"""Odd sizes, so that every kernel pads; small enough for 2 KB of RAM."""

UNCHECKED = {"esp32-s3"}
"""Nothing here compiles for Xtensa or runs it."""


@pytest.fixture(scope="module", params=[("w8a16", "native"), ("w8a8", "native"), ("w8a16", "tflm")], ids="-".join)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BoardReport:
    scheme: Scheme
    arithmetic: CArithmetic
    scheme, arithmetic = request.param
    calibration = calibrated(MODEL)
    integers = Integers(
        quantise_native(MODEL, calibration, scheme),
        quantise_tflite(MODEL, calibration),
        quantise_step(MODEL, calibration),
    )
    folder: Path = tmp_path_factory.mktemp("bundle")
    files = int8_files(MODEL, integers, recordings(MODEL, count=2, steps=30), "portable", arithmetic)
    write_bundle(folder, "m", MODEL, files, 0, {}, {})
    return verify_boards(Bundle.open(folder), [load_board(name) for name in board_names()])


def test_every_board_agrees(report: BoardReport) -> None:
    """Outputs, hidden and cell states of every step; what could not be run is named here, and nothing else."""
    report.require_ok()
    checks = {check.board: check for check in report.checks}
    assert set(checks) == set(board_names())
    assert {name for name, check in checks.items() if check.not_run} == UNCHECKED
    for name in set(checks) - UNCHECKED:
        check = checks[name]
        assert check.steps > STRESS_STEPS, name
        assert check.mismatches == 0, name
        assert check.bytes > check.steps * 3 * (9 + 7), name
        assert check.typical > 4 * (5 * 9 + 9 * 9 + 9 * 7 + 7 * 7) / 4, name
        assert 16 < check.stack_bytes < 2048, name
        assert check.emulator, name


def test_every_core_is_on_a_board() -> None:
    """A core file that no board names is never checked."""
    assert {load_board(name).core.name for name in board_names()} >= set(core_names())
