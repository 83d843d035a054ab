"""What a model takes of a board: before training from its shape, afterwards from a linked program; and refusals."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_nets import layout_of
from click.testing import CliRunner
from models import calibrated, float_model, native_model, recordings
from test_boards import OWN

from edge_lstm.board import Board, core_names, load_board, load_core
from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.errors import ExportError, MissingDependencyError, ProjectError
from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export import fit as closed_form
from edge_lstm_export.bundle_writer import Integers, int8_files, write_bundle
from edge_lstm_export.c_source import native_state_bytes, write_c
from edge_lstm_export.c_source.kernel_sets import KERNEL_SETS, kernel_set
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.fit import Shape, fit, footprint, shape_of, term
from edge_lstm_export.footprint import Footprint, OnBoard
from edge_lstm_export.size import flash_parts, link, ram_parts

NEAR = 0.02
GRID: list[tuple[int, tuple[int, ...], int, Scheme, str]] = [
    (1, (4,), 1, "w8a16", "regress"),
    (40, (4,), 3, "w8a8", "classify"),
    (6, (16,), 2, "w8a16", "classify"),
    (9, (32,), 6, "w8a8", "classify"),
    (12, (24, 48), 5, "w8a16", "regress"),
    (17, (15, 9, 21), 4, "w8a8", "classify"),
    (40, (128,), 10, "w8a16", "classify"),
]
"""Features, units, outputs, scheme and task: no shape of these is one that the table was made from."""

SMALL = [
    (1, (4,), 1, "w8a16", "regress"),
    (4, (16,), 3, "w8a8", "classify"),
    (6, (12, 10), 4, "w8a16", "classify"),
]
"""For an ATmega328P."""

CORES = {
    "cortex-m4": GRID,
    "cortex-m0plus": GRID,
    "cortex-m3": GRID,
    "rv32imc": GRID,
    "cortex-m55": GRID,
    "avr5": SMALL,
}

MODEL = float_model(features=4, units=(9, 6), outputs=3, window=16)
SERIES = recordings(MODEL, count=4, steps=40)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    calibration = calibrated(MODEL)
    integers = Integers(
        quantise_native(MODEL, calibration), quantise_tflite(MODEL, calibration), quantise_step(MODEL, calibration)
    )
    files = int8_files(MODEL, integers, SERIES, load_board("nucleo-f446re").core.kernels)
    write_bundle(folder, "m", MODEL, files, 0, {}, {"c": {"kernels": load_board("nucleo-f446re").core.kernels}})
    return Bundle.open(folder)


def printed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, words, prog_name="edge-lstm")
    return done.exit_code, done.output


def board_file(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("core_name", "features", "units", "outputs", "scheme", "kind"),
    [(core, *shape) for core, shapes in CORES.items() for shape in shapes],
)
def test_fit_is_near_what_was_linked_and_run(
    core_name: str, features: int, units: Sequence[int], outputs: int, scheme: Scheme, kind: str
) -> None:
    """Flash, RAM with the stack, and the work of a step, each within 2 %; constants and state to the byte."""
    core = load_core(core_name)
    model = native_model(scheme, features=features, units=units, outputs=outputs, kind=kind)
    codes = model.encoding.encode(recordings(float_model(features=features), count=1, steps=12)[0])
    source = write_c(model, kernel_set_name=core.kernels)
    image = link(source, Board("b", "", core, ""), model.interface.task.predicts_labels)
    ran = emulate(core, program(core, source), layout_of(model), [codes], None)
    flash, ram = flash_parts(image), ram_parts(image, 6 * sum(units), core)

    found = footprint(shape_of(model.interface, tuple(units), scheme), core)
    assert found.unit == ran.unit
    assert found.flash_bytes == pytest.approx(sum(flash.values()), rel=NEAR)
    assert found.ram_bytes == pytest.approx(sum(ram.values()) + ran.stack_bytes, rel=NEAR)
    assert found.count == pytest.approx(float(np.median(ran.counts)), rel=NEAR)
    assert found.ram["state"] + found.ram["scratch"] == native_state_bytes(model, kernel_set(core.kernels))


def test_the_table_is_of_the_kernels_that_are_there() -> None:
    """A core that got other kernels needs `python bench/fit_table.py`."""
    emulated = {name: load_core(name).kernels for name in core_names() if load_core(name).emulator}
    table = closed_form._table()
    assert {name: table[name]["kernels"] for name in table} == emulated


@pytest.mark.parametrize("kernels", list(KERNEL_SETS))
@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_large_layers_are_as_packed(kernels: str, scheme: Scheme) -> None:
    """The polynomials through small layers are exact: constants and scratch of layers nobody packed."""
    chosen = kernel_set(kernels)
    for features, units in ((53, 40), (7, 97), (70, 64)):
        widths = (features + units,) if scheme == "w8a16" else (features, units)
        blocks = tuple(rows(4 * units, width) for width in widths)
        layer = NativeLstm(blocks, features, 8)
        packed = (chosen.layer(layer, "layer").bytes, chosen.work_words(layer))
        assert closed_form._packed(kernels, scheme, features, units) == packed
        assert closed_form._packed_head(kernels, units, features) == chosen.head(rows(features, units), "head").bytes


def rows(count: int, width: int) -> Affine:
    zeros = np.zeros(count, np.int32)
    return Affine(np.zeros((count, width), np.int8), zeros, zeros + 128, zeros + 12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1", 1),
        ("inputs/4", 2),
        ("inputs/4+", 3),
        ("rows/2*1", 3),
        ("rows/1*inputs2/2", 25),
        ("both4/4", 5),
        ("both/1<14:4", 14),
        ("both/1<13:4", 14 % 4 + 4),
        ("both/1>13:4", 3),
        ("both/1>14:4", 0),
    ],
)
def test_a_term_counts_what_it_says(name: str, value: int) -> None:
    assert term(name, 9, 5) == value


def test_the_largest_that_fits_fits_and_one_more_does_not() -> None:
    board = load_board("bluepill")
    shape = Shape(9, (32, 32), 6, False, 0)
    largest = fit(shape, board).largest_that_fits
    assert largest is not None
    for units, fits in ((largest, True), (largest + 1, False)):
        wide = shape.widened(units)
        assert OnBoard(board, wide.units, footprint(wide, board.core), None).fits is fits


def test_the_largest_in_time_is_in_time_and_one_more_is_not() -> None:
    board, shape = load_board("arduino-uno"), Shape(4, (16,), 3, False, 0)
    found = fit(shape, board, rate_hz=400.0)
    assert found.on_board.keeps_up
    assert found.largest_in_time is not None
    for units, in_time in ((found.largest_in_time, True), (found.largest_in_time + 1, False)):
        wide = shape.widened(units)
        assert OnBoard(board, wide.units, footprint(wide, board.core), 400.0).keeps_up is in_time


def test_cycles_are_counted_estimated_or_left_out() -> None:
    """Never a time from nothing."""
    work = Footprint({}, {}, 0, 1000, "instructions")
    m4, uno, pi, host = (load_board(name) for name in ("nucleo-f446re", "arduino-uno", "raspberry-pi-4", "host"))
    assert m4.core.estimate is not None
    estimated = OnBoard(m4, (8,), work, 10.0)
    assert estimated.cycles == round(1000 * m4.core.estimate.cycles_per_instruction)
    assert estimated.to_json()["cycles_are"].startswith("estimated")
    counted = OnBoard(uno, (8,), replace(work, unit="cycles"), 10.0)
    assert (counted.cycles, counted.seconds, counted.keeps_up) == (1000, 1000 / 16e6, True)
    assert counted.to_json()["cycles_are"] == "counted"
    for board in (pi, host):
        unknown = OnBoard(board, (8,), work, 10.0)
        assert (unknown.cycles, unknown.seconds, unknown.keeps_up) == (None, None, None)
        assert unknown.headroom == {}
        assert unknown.fits


def test_size_prints_parts_that_add_up(bundle: Bundle) -> None:
    code, text = printed("size", str(bundle.path), "--board", "nucleo-f446re", "--json")
    assert code == 0
    values = json.loads(text)
    for memory in ("flash", "ram"):
        parts = dict(values[memory])
        assert parts.pop("total") == sum(parts.values())
        assert values["headroom"][memory] > 0
    assert values["ram"]["state"] == 6 * 15
    assert values["ram"]["stack"] > 0
    assert values["flash"]["sigmoid table"] == 512
    assert values["unit"] == "instructions"
    assert values["rate_hz"] == 50.0
    assert values["keeps_up"] is True
    assert values["steps_per_second"] == pytest.approx(180e6 / values["cycles"])
    code, text = printed("size", str(bundle.path), "--board", "nucleo-f446re")
    assert code == 0
    assert f"{values['count']:,} instructions, about {values['cycles']:,} cycles (estimated" in text


def test_size_takes_the_toolchain_that_is_asked_for(bundle: Bundle) -> None:
    by_compiler = [
        json.loads(printed("size", str(bundle.path), "--board", "bluepill", "--toolchain", name, "--json")[1])
        for name in ("zig", "arm-none-eabi-gcc")
    ]
    assert by_compiler[0]["flash"]["weights and rows"] == pytest.approx(
        by_compiler[1]["flash"]["weights and rows"], abs=8
    )
    assert by_compiler[0]["flash"]["codec"] != by_compiler[1]["flash"]["codec"]


def test_a_bundle_too_large_is_refused_with_the_bytes_and_what_fits(bundle: Bundle, tmp_path: Path) -> None:
    tiny = board_file(tmp_path, OWN.replace("bytes = 32_768", "bytes = 12_800"))
    code, text = printed("size", str(bundle.path), "--board", tiny)
    assert code == 2
    last = text.strip().splitlines()[-1]
    assert "mine: a model of 9, 6 units is over by" in last
    assert "bytes of flash; the largest that fits is" in last
    nothing = board_file(tmp_path, OWN.replace("bytes = 4_096", "bytes = 1_040"))
    code, text = printed("size", str(bundle.path), "--board", nothing)
    assert code == 2
    assert "bytes of ram; not one unit fits" in text


def test_without_an_emulator_sizes_are_printed_and_the_exit_code_is_3(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    code, text = printed("size", str(bundle.path), "--board", "nucleo-f446re")
    assert code == 3
    assert "weights and rows" in text
    assert "a step: not counted" in text
    assert "pip install 'edge-lstm[boards]'" in text


def test_a_missing_compiler_is_named(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = printed("size", str(bundle.path), "--board", "esp32-s3")
    assert code == 3
    assert "esp32-s3: no compiler is known for Tensilica Xtensa LX7: unchecked" in text
    monkeypatch.setenv("PATH", str(tmp_path))
    code, text = printed("size", str(bundle.path), "--board", "nucleo-f446re", "--toolchain", "arm-none-eabi-gcc")
    assert code == 3
    assert "apt install gcc-arm-none-eabi" in text


def test_fit_needs_no_project(tmp_path: Path) -> None:
    asked = ("--features", "9", "--outputs", "6", "--json")
    code, text = printed("fit", "--board", "nucleo-f446re", "--units", "32", *asked)
    assert code == 0
    values = json.loads(text)
    assert values["units"] == [32]
    assert values["headroom"]["flash"] > 0
    assert values["largest_that_fits"] > 32
    assert "keeps_up" not in values
    code, text = printed("fit", "--board", "nucleo-f446re", "--units", "32", "--rate", "100", *asked)
    assert json.loads(text)["keeps_up"] is True


def test_fit_takes_the_rest_from_the_project(project: Path) -> None:
    """Channels, labels and names from its data, units and scheme from its file."""
    code, text = printed("fit", "--board", "raspberry-pi-pico", "--project", str(project), "--json")
    assert code == 0, text
    values = json.loads(text)
    assert values["units"] == [12]
    assert values["ram"]["sample"] == 6 * 2 + 2 * 3
    assert values["flash"]["names"] >= len(b"a\0bb\0ccc\0")
    assert values["rate_hz"] == 20.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("a", "bb", "ccc"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for k in range(4):
            lines = ["x,y", *(f"{x:.3f},{y:.3f}" for x, y in rng.normal(0, 1, (30, 2)))]
            (tmp_path / "data" / label / f"{k}.csv").write_text("\n".join(lines) + "\n")
    text = '[data]\npath = "data"\nrate_hz = 20\n\n[task]\nkind = "classify"\nwindow = 10\n\n[model]\nunits = [12]\n'
    (tmp_path / "edge-lstm.toml").write_text(text)
    return tmp_path


def test_a_shape_too_large_is_refused_before_training() -> None:
    code, text = printed("fit", "--board", "bluepill", "--units", "128", "--features", "4", "--outputs", "3")
    assert code == 2
    last = text.strip().splitlines()[-1]
    assert "bluepill: a model of 128 units is over by" in last
    assert "bytes of flash; the largest that fits is" in last
    assert "largest that fits" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--board", "nucleo"), "board 'nucleo' is not known"),
        (("--units", "32;16"), "--units is '32;16'; give whole numbers"),
        (("--units", "0"), "units is 0; give at least 1"),
        (("--features", "-1"), "features is -1; give at least 1"),
        (("--units", "9000"), "at most 8,191 features, units and outputs"),
        (("--scheme", "w4a4"), "scheme 'w4a4' is not known; choose one of w8a16, w8a8"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words: tuple[str, str], message: str) -> None:
    asked = {"--board": "nucleo-f446re", "--units": "8", "--features": "4", "--outputs": "2"} | dict([words])
    code, text = printed("fit", *(word for pair in asked.items() for word in pair))
    assert code == 2
    assert message in text
    assert len(text.strip().splitlines()) == 1


def test_a_core_that_was_not_measured_is_not_guessed() -> None:
    with pytest.raises(MissingDependencyError, match="Xtensa LX7: nothing is known of it before training"):
        fit(Shape(4, (8,), 2, False, 0), load_board("esp32-s3"))
    with pytest.raises(ProjectError, match="units is 0"):
        fit(Shape(4, (), 2, False, 0), load_board("nucleo-f446re"))


def test_a_model_over_in_both_memories_names_both() -> None:
    board = load_board("arduino-uno")
    used = Footprint({"kernels": 30_000}, {"state": 2_000})
    with pytest.raises(ExportError, match=r"over by 3,376 bytes of flash and 464 bytes of ram; take fewer units"):
        OnBoard(board, (64,), used, None).require_fit(None)
