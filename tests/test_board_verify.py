"""A bundle on boards: what agrees, what disagrees, and what could not be run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from models import calibrated, float_model, recordings
from safetensors.numpy import load

from edge_lstm.board import Board, load_board
from edge_lstm.bundle import GOLDEN, Bundle
from edge_lstm.cli import cli
from edge_lstm.errors import BundleError, MissingDependencyError, VerificationError
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.board_verify import verify_boards
from edge_lstm_export.bundle_writer import Integers, float_files, int8_files, write_bundle
from edge_lstm_export.golden import STRESS_STEPS, encode_golden, recordings_of
from edge_lstm_export.verify import verify

MODEL = float_model(features=4, units=(9, 6), outputs=3, window=16)
SERIES = recordings(MODEL, count=4, steps=40)
BOARD = "nucleo-f446re"


@pytest.fixture(scope="module")
def board() -> Board:
    return load_board(BOARD)


@pytest.fixture(scope="module")
def files(board: Board) -> dict[str, bytes]:
    """Of a bundle for the board."""
    calibration = calibrated(MODEL)
    integers = Integers(
        quantise_native(MODEL, calibration),
        quantise_tflite(MODEL, calibration),
        quantise_step(MODEL, calibration),
    )
    return int8_files(MODEL, integers, SERIES, board.core.kernels)


def bundle_of(folder: Path, files: dict[str, bytes], board: Board) -> Bundle:
    table = {"kernels": board.core.kernels, "board": board.name, "core": board.core.name}
    write_bundle(folder, "m", MODEL, files, 0, {}, {"c": table})
    return Bundle.open(folder)


def printed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, words, prog_name="edge-lstm")
    return done.exit_code, done.output


def test_a_bundle_agrees_on_its_board_and_on_others(files, board, tmp_path) -> None:
    """Its own sources on its own core; written anew for another core. Every step of every recording is compared."""
    boards = [board, load_board("raspberry-pi-pico")]
    report = verify_boards(bundle_of(tmp_path, files, board), boards)
    report.require_ok()
    golden = load(files[GOLDEN.format(arithmetic="native")])
    steps = sum(len(golden[f"{k}.codes"]) for k in range(recordings_of(golden)))
    assert steps > STRESS_STEPS
    a_step = 2 * 3 + (2 + 4) * (9 + 6)
    for check, named in zip(report.checks, boards, strict=True):
        assert (check.board, check.mismatches, check.steps) == (named.name, 0, steps)
        assert check.bytes == steps * a_step
        assert check.unit == "instructions"
        assert 0 < check.typical <= check.worst
        assert check.stack_bytes > 0
        assert "unicorn" in check.emulator


def test_verify_runs_the_kernels_of_the_board_as_well(files, board, tmp_path) -> None:
    """Kernels of another core cannot be compiled for this computer, so the bundle's C is checked in the emulator."""
    report = verify(bundle_of(tmp_path, files, board))
    report.require_ok()
    by_target = {check.target: check for check in report.checks}
    emulated = next(check for target, check in by_target.items() if "unicorn" in target)
    assert emulated.arithmetic == "native"
    assert emulated.steps > STRESS_STEPS
    assert "c, compiled here" not in by_target


def test_a_changed_weight_is_found_on_the_board(files, board, tmp_path) -> None:
    """The sources in the bundle are what runs, not the integers beside them."""
    source = files["c/model.c"].decode()
    first = re.search(r"EL_FLASH[^=]*= \{\s*(-?\d+)", source)
    assert first is not None
    at, end = first.span(1)
    changed = {**files, "c/model.c": f"{source[:at]}{int(source[at:end]) ^ 64}{source[end:]}".encode()}
    bundle = bundle_of(tmp_path, changed, board)
    with pytest.raises(VerificationError, match=rf"{BOARD}: \d+ codes differ, first recording 0, step \d+, layer 0"):
        verify_boards(bundle, [board]).require_ok()
    code, text = printed("verify", str(bundle.path), "--board", BOARD)
    assert code == 1
    assert f"{BOARD}: first at recording 0" in text


def test_a_changed_golden_output_is_found_on_the_board(files, board, tmp_path) -> None:
    """The comparison is with the golden vectors of the bundle, to the last step."""
    name = GOLDEN.format(arithmetic="native")
    golden = load(files[name])
    last = recordings_of(golden) - 1
    outputs = golden[f"{last}.outputs"].copy()
    outputs[-1, -1] += 1
    changed = {**files, name: encode_golden({**golden, f"{last}.outputs": outputs})}
    report = verify_boards(bundle_of(tmp_path, changed, board), [board])
    assert report.checks[0].mismatches == 1
    assert f"recording {last}, step {len(outputs) - 1}, output[2]" in str(report.checks[0].first_mismatch)


def test_a_missing_emulator_is_never_a_pass(files, board, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what to install, and the exit code is 3."""
    monkeypatch.setitem(sys.modules, "unicorn", None)
    bundle = bundle_of(tmp_path, files, board)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[boards\]'"):
        verify_boards(bundle, [board]).require_ok()
    code, text = printed("verify", str(bundle.path), "--board", BOARD)
    assert code == 3
    assert "unicorn is not installed" in text
    assert "mismatches" not in text


def test_a_missing_compiler_is_never_a_pass(files, board, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toolchain asked for by name that is not there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    code, text = printed(
        "verify", str(bundle_of(tmp_path, files, board).path), "--board", BOARD, "--toolchain", "arm-none-eabi-gcc"
    )
    assert code == 3
    assert "apt install gcc-arm-none-eabi" in text


def test_a_board_without_an_emulator_is_unchecked_and_says_so(files, board, tmp_path) -> None:
    """By itself that is exit code 3; among boards that ran it is a line of its own."""
    bundle = bundle_of(tmp_path, files, board)
    code, text = printed("verify", str(bundle.path), "--board", "esp32-s3")
    assert code == 3
    assert "esp32-s3 was not checked: unchecked: no emulator is known" in text
    code, text = printed("verify", str(bundle.path), "--board", "esp32-s3", "--board", BOARD, "--json")
    assert code == 0
    by_board = {check["board"]: check for check in json.loads(text)["checks"]}
    assert "unchecked" in by_board["esp32-s3"]["not_run"]
    assert by_board[BOARD]["steps"] > STRESS_STEPS


def test_a_float_bundle_is_refused(board, tmp_path) -> None:
    write_bundle(tmp_path, "m", MODEL, float_files(MODEL, SERIES), 0, {}, {})
    with pytest.raises(BundleError, match="holds no integers for a board; export it with --int8"):
        verify_boards(Bundle.open(tmp_path), [board])


def test_a_toolchain_that_the_core_does_not_know_is_refused(files, board, tmp_path) -> None:
    bundle = bundle_of(tmp_path, files, board)
    code, text = printed("verify", str(bundle.path), "--board", BOARD, "--toolchain", "icc")
    assert code == 2
    assert "zig, arm-none-eabi-gcc" in text


def test_counts_are_the_same_in_every_run(files, board, tmp_path) -> None:
    bundle = bundle_of(tmp_path, files, board)
    first, second = (verify_boards(bundle, [board]).to_json() for _ in range(2))
    assert first == second


def test_a_toolchain_without_a_board_is_refused(files, board, tmp_path) -> None:
    """It would compile nothing."""
    code, text = printed("verify", str(bundle_of(tmp_path, files, board).path), "--toolchain", "zig")
    assert code == 2
    assert "--toolchain zig compiles for boards; name one with --board" in text


def test_what_a_board_would_run_is_proved_or_the_export_ends(
    files, board, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify lists what it could not run; export, which calls ``require_proven``, gives no bundle then."""
    bundle = bundle_of(tmp_path, files, board)
    verify(bundle).require_proven()
    monkeypatch.setitem(sys.modules, "unicorn", None)
    report = verify(bundle)
    report.require_ok()
    with pytest.raises(MissingDependencyError, match=r"Cortex-M4.* was not checked: unicorn is not installed"):
        report.require_proven()
    assert "unproven" not in json.dumps(report.to_json())
