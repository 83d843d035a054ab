"""Board files: what is in them, what is refused, and a user's own."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from edge_lstm.board import Board, board_names, core_names, load_board, load_core
from edge_lstm.errors import ProjectError
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.emulators import EMULATORS
from edge_lstm_export.firmware.toolchain import TOOLCHAINS
from edge_lstm_export.npu.configurations import NPUS

WANTED = (
    *("arduino-uno", "raspberry-pi-pico", "raspberry-pi-pico-2", "bluepill", "nucleo-f446re", "arduino-nano-33-ble"),
    *("nucleo-h743zi", "teensy-4.1", "nucleo-u575zi", "corstone-300", "esp32-c3", "esp32-s3", "raspberry-pi-zero"),
    *("raspberry-pi-zero-2w", "raspberry-pi-3b", "raspberry-pi-4", "raspberry-pi-5", "coral-dev-board"),
    *("coral-dev-board-micro", "coral-usb", "host"),
)

OWN = """\
title = "A board of my own"
core = "cortex-m0plus"
clock_hz = 48_000_000
source = "its data sheet"

[flash]
origin = 0x08000000
bytes = 32_768
reserved = 8_192
reserved_for = "the application"
source = "its data sheet"

[ram]
origin = 0x20000000
bytes = 4_096
reserved = 1_024
reserved_for = "the application"
source = "its data sheet"
"""


def own(folder: Path, text: str = OWN) -> Board:
    path = folder / "mine.toml"
    path.write_text(text)
    return load_board(str(path))


def test_all_boards_that_are_promised_are_there() -> None:
    assert set(WANTED) <= set(board_names())


@pytest.mark.parametrize("name", board_names())
def test_a_board_is_whole(name: str) -> None:
    """What its file names exists, memories lie apart and leave room, and every fact says where it is from."""
    board = load_board(name)
    assert board.title
    assert board.source
    if board.accelerator:
        assert board.accelerator == "edgetpu" or board.accelerator in NPUS
    assert (board.flash is None) == (board.ram is None)
    for memory in (board.flash, board.ram):
        if memory is not None:
            assert 0 < memory.free < memory.bytes
            assert memory.reserved_for
            assert memory.source
    if board.flash and board.ram:
        first, second = sorted((board.flash, board.ram), key=lambda memory: memory.origin)
        assert first.origin + first.bytes <= second.origin


@pytest.mark.parametrize("name", core_names())
def test_a_core_is_whole(name: str) -> None:
    """Kernels, compilers and emulator are rows of their tables; an estimate is a sane one and has a source."""
    core = load_core(name)
    assert kernel_set(core.kernels).name == core.kernels
    assert set(core.toolchains) <= set(TOOLCHAINS)
    assert core.emulator.get("name", "unicorn") in EMULATORS
    assert core.constants in ("flash", "ram")
    if core.estimate:
        assert 0.5 <= core.estimate.cycles_per_instruction <= 3
        assert core.estimate.source


def test_a_board_of_the_users_own_is_a_file(tmp_path: Path) -> None:
    board = own(tmp_path)
    assert (board.name, board.core.name, board.clock_hz) == ("mine", "cortex-m0plus", 48_000_000)
    assert board.flash is not None
    assert board.flash.free == 24_576


def test_what_is_left_out_is_not_known(tmp_path: Path) -> None:
    """Under an operating system there are no memories to judge by; without a clock there is no time."""
    board = own(tmp_path, 'title = "t"\ncore = "cortex-a72"\nsource = "s"\n')
    assert (board.flash, board.ram, board.clock_hz, board.accelerator) == (None, None, None, "")


def test_the_host_is_the_computer_this_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert load_board("host").core.kernels == "neon"
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert load_board("host").core.name == "x86-64"
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(ProjectError, match=r"this computer is s390x; known are x86_64, "):
        load_board("host")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A board of my own"', "", r"mine.toml: has no 'title'; add it"),
        ("clock_hz = 48_000_000", 'clock_hz = "48 MHz"', r"'clock_hz' is '48 MHz'; expected a whole number"),
        ("clock_hz", "speed", r"mine.toml: unknown key 'speed'; correct or remove it"),
        ("cortex-m0plus", "cortex-m99", r"core 'cortex-m99' is not known; choose one of .*cortex-m4"),
        ("reserved = 8_192", "reserved = 99_999", r"\[flash\]: 'reserved' is 99,999 of 32,768 bytes"),
        ("reserved = 8_192", "reserved = true", r"\[flash\]: 'reserved' is True; expected a whole number"),
        ("origin = 0x08000000", "start = 0x08000000", r"\[flash\]: has no 'origin'"),
        ("[ram]", "[sram]", r"unknown key 'sram'"),
        (OWN[OWN.index("[ram]") :], "", r"one of \[flash\] and \[ram\]; give both, or none"),
        ("[flash]", "[flash", r"mine.toml: is not TOML"),
    ],
)
def test_a_mistake_in_a_board_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OWN
    with pytest.raises(ProjectError, match=message) as caught:
        own(tmp_path, OWN.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_a_board_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"board 'nucleo' is not known; choose one of .*nucleo-f446re.*\.toml"):
        load_board("nucleo")
    with pytest.raises(ProjectError, match=r"nowhere.toml: there is no such board file"):
        load_board("nowhere.toml")


def test_a_file_from_another_editor_is_read_and_a_hostile_one_refused(tmp_path: Path) -> None:
    """A byte order mark is no key; brackets nested without end are no TOML."""
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (Path(__file__).parent.parent / "boards" / "bluepill.toml").read_bytes())
    assert load_board(str(file)).core.name == "cortex-m3"
    file.write_text("a = " + "[" * 100_000)
    with pytest.raises(ProjectError, match="is not TOML"):
        load_board(str(file))
