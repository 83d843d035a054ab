"""The firmware of a bundle: built by its own CMake project, booted on emulated boards, fed live through real wires."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from c_nets import WARNINGS, place
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile
from qemu_boards import (
    MODEL,
    SERIES,
    build_firmware,
    free_port,
    noisy,
    over_pty,
    over_tcp,
    write_board_bundle,
)

from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.errors import MissingDependencyError, TargetError
from edge_lstm.runtimes import serial_board
from edge_lstm.runtimes.serial_board import SerialBoard
from edge_lstm.streaming import LoadedModel, Stream
from edge_lstm_export.firmware.image import Image

BOARD = "mps2-an386"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_board_bundle(tmp_path_factory.mktemp("bundle"), BOARD)


@pytest.fixture(scope="module")
def elf(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_firmware(bundle, tmp_path_factory.mktemp("build"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat sooner than a real wire needs it."""
    monkeypatch.setattr(serial_board, "SECONDS", 0.1)
    monkeypatch.setattr(serial_board, "ATTEMPTS", 40)


def samples_as_text() -> str:
    return "\n".join(",".join(map(str, sample)) for sample in SERIES[0]) + "\n"


def predictions(stream: Stream) -> list[str]:
    made = [stream.push(sample) for sample in SERIES[0]]
    return [one.to_text() for one in made if one is not None]


@pytest.fixture(scope="module")
def expected(bundle: Bundle) -> list[str]:
    return predictions(Stream(bundle, "reference", "native", every_step=True))


def test_predictions_through_a_terminal_are_the_references(bundle: Bundle, elf: Path, expected: list[str]) -> None:
    """The serial port is a terminal of this computer, as a real board's is; the command line does the rest."""
    with over_pty(BOARD, elf) as path:
        words = ["stream", str(bundle.path), "--target", path, "--every-step"]
        done = CliRunner().invoke(cli, words, input=samples_as_text())
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == expected
    assert len(expected) == len(SERIES[0])


def test_predictions_through_a_socket_are_the_references(bundle: Bundle, elf: Path, expected: list[str]) -> None:
    """In single steps and in chunks, over several windows."""
    with over_tcp(BOARD, elf) as url:
        stream = Stream(LoadedModel.on_board(bundle, url), every_step=True)
        assert stream.backend == "board"
        assert predictions(stream) == expected
        stream.reset()
        assert [one.to_text() for one in stream.push_many(SERIES[0])] == expected


@pytest.mark.parametrize("seed", range(3))
def test_noise_costs_time_but_no_step(
    bundle: Bundle, elf: Path, expected: list[str], impatient: None, seed: int
) -> None:
    """Bytes are lost, changed, doubled and added both ways; no step is lost or taken twice, or the state would tell."""
    with over_tcp(BOARD, elf) as url, noisy(url, 0.005, seed) as (spoilt_url, spoilt):
        stream = Stream(LoadedModel.on_board(bundle, spoilt_url), every_step=True)
        assert predictions(stream) == expected
        reference = Stream(bundle, "reference", "native", every_step=True)
        predictions(reference)
        assert stream.save() == reference.save()
    assert spoilt[0] >= 10


def test_the_state_moves_to_another_board_and_back(bundle: Bundle, elf: Path, expected: list[str]) -> None:
    """Saved in the middle of a window on one, loaded on another."""
    middle = 33
    with over_tcp(BOARD, elf) as first, over_tcp(BOARD, elf) as second:
        one = Stream(LoadedModel.on_board(bundle, first), every_step=True)
        other = Stream(LoadedModel.on_board(bundle, second), every_step=True)
        before = one.push_many(SERIES[0][:middle])
        other.load(one.save())
        after = other.push_many(SERIES[0][middle:])
    assert [each.to_text() for each in [*before, *after]] == expected


def test_the_program_of_a_real_board_runs_on_its_emulated_relative(tmp_path: Path) -> None:
    """What would be flashed on a NUCLEO-F446RE boots on an emulated STM32F405, whose USART2 and memories lie alike."""
    bundle = write_board_bundle(tmp_path / "bundle", "nucleo-f446re")
    elf = build_firmware(bundle, tmp_path / "build")
    with over_tcp("nucleo-f446re", elf) as url:
        stream = Stream(LoadedModel.on_board(bundle, url), every_step=True)
        assert predictions(stream) == predictions(Stream(bundle, "reference", "native", every_step=True))


def test_a_firmware_of_tflm_bytes_streams_too(tmp_path: Path) -> None:
    """The host learns the arithmetic from the board, and decodes and saves in it."""
    bundle = write_board_bundle(tmp_path / "bundle", BOARD, "tflm")
    elf = build_firmware(bundle, tmp_path / "build")
    reference = Stream(bundle, "reference", "tflm", every_step=True)
    with over_tcp(BOARD, elf) as url:
        stream = Stream(LoadedModel.on_board(bundle, url), every_step=True)
        assert stream.arithmetic == "tflm"
        assert predictions(stream) == predictions(reference)
        assert stream.save() == reference.save()


def flipped(elf: Path, symbol: str, offset: int, folder: Path) -> Path:
    """The program with one bit of a constant changed."""
    content = bytearray(elf.read_bytes())
    image = Image(bytes(content))
    address, size = image.symbols[symbol]
    assert offset < size
    for segment in ELFFile(io.BytesIO(bytes(content))).iter_segments("PT_LOAD"):
        if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
            content[segment["p_offset"] + address - segment["p_vaddr"] + offset] ^= 0x40
    changed = folder / "changed.elf"
    changed.write_bytes(content)
    assert content != elf.read_bytes()
    return changed


def test_a_changed_weight_fails_the_self_test(bundle: Bundle, elf: Path, tmp_path: Path) -> None:
    """A bit of flash that went bad is found at power-on, and nothing is streamed."""
    stream = next(name for name in Image(elf.read_bytes()).symbols if name == "layer_0_stream")
    with (
        over_tcp(BOARD, flipped(elf, stream, 41, tmp_path)) as url,
        pytest.raises(TargetError, match="self-test failed"),
    ):
        SerialBoard(url, bundle)


def test_the_firmware_of_another_model_is_refused(bundle: Bundle, elf: Path, tmp_path: Path) -> None:
    """Same shape, other weights: the identity tells."""
    other = write_board_bundle(tmp_path, BOARD, seed=1)
    with over_tcp(BOARD, elf) as url:
        words = ["stream", str(other.path), "--target", url]
        done = CliRunner().invoke(cli, words, input=samples_as_text())
    assert done.exit_code == 2
    assert f"the firmware holds another model than {other.path}" in done.output
    assert len(done.output.splitlines()) == 1


def test_a_silent_board_is_one_line(bundle: Bundle, impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something takes the bytes and never answers."""
    import socket

    monkeypatch.setattr(serial_board, "ATTEMPTS", 3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TargetError, match=r"no answer in 0 s; check that this is the board's port"):
            SerialBoard(url, bundle)


def test_a_board_that_is_not_there_is_one_line(bundle: Bundle) -> None:
    for url in (f"socket://127.0.0.1:{free_port()}", "/dev/ttyNONE9", "nonsense://x"):
        done = CliRunner().invoke(cli, ["stream", str(bundle.path), "--target", url], input=samples_as_text())
        assert done.exit_code == 2, url
        assert done.output.startswith(f"edge-lstm: error: {url}: cannot be opened"), done.output
        assert len(done.output.splitlines()) == 1


def test_a_port_in_use_is_one_line(bundle: Bundle, elf: Path) -> None:
    """Two programs that feed one board would mix their samples."""
    with over_pty(BOARD, elf) as path:
        held = SerialBoard(path, bundle)
        with pytest.raises(TargetError, match="cannot be opened"):
            SerialBoard(path, bundle)
        assert held.name == "board"


# pyserial leaves its socket open when the other end went first; collected here, it warns in no other test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_board_unplugged_in_the_middle_is_one_line(bundle: Bundle, elf: Path, impatient: None) -> None:
    with over_tcp(BOARD, elf) as url:
        stream = Stream(LoadedModel.on_board(bundle, url))
        stream.push(SERIES[0][0])
    with pytest.raises(TargetError, match="the board is gone"):
        stream.push(SERIES[0][1])
    del stream
    gc.collect()


def test_without_pyserial_it_says_what_to_install(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[boards\]'"):
        SerialBoard("/dev/ttyACM0", bundle)


def test_a_back_end_cannot_be_chosen_for_a_board(bundle: Bundle) -> None:
    words = ["stream", str(bundle.path), "--target", "/dev/ttyACM0", "--backend", "c"]
    done = CliRunner().invoke(cli, words, input=samples_as_text())
    assert done.exit_code == 2
    assert "a board runs the firmware it has" in done.output


COMPILERS = {
    "gcc": ["gcc", "-std=c99", *WARNINGS],
    "g++": ["g++", "-std=c++11", "-x", "c++", *WARNINGS],
    "clang": ["clang", "-std=c99", *WARNINGS],
    "avr-gcc": ["avr-gcc", "-mmcu=atmega328p", "-std=c99", *WARNINGS],
    "arm-none-eabi-gcc": ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-std=c99", *WARNINGS],
    "riscv64-unknown-elf-gcc": [
        *("riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding", "-std=c99"),
        *WARNINGS,
    ],
}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O3"])
def test_the_server_compiles_everywhere_without_a_warning(tmp_path: Path, compiler: str, optimise: str) -> None:
    """Portable kernels, as any board can have them."""
    from edge_lstm_export.c_source import write_c

    native = quantised()
    firmware_files_ = portable_project(native)
    units = place(tmp_path, {**write_c(native), **{n: c for n, c in firmware_files_.items() if "/" not in n}})
    units = [u for u in units if Path(u).name.startswith(("el_serve", "el_frame", "el_self"))]
    done = subprocess.run(
        [*COMPILERS[compiler], optimise, "-c", *units], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def quantised():
    from models import calibrated

    from edge_lstm_calibration import quantise_native

    return quantise_native(MODEL, calibrated(MODEL))


def portable_project(native):
    from edge_lstm.modelfile import encode_model
    from edge_lstm_export.firmware.project import Firmware, project_files

    return project_files(Firmware("walk", native, "native", encode_model(native), None), ["model.c"])


def test_portable_c_is_an_arduino_library_and_a_cmake_library(tmp_path: Path) -> None:
    """Without a board there is a library for both worlds, a sketch, and no program that could not run."""
    from edge_lstm_export.c_source import write_c

    native = quantised()
    files = {**write_c(native), **portable_project(native)}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    properties = dict(line.split("=", 1) for line in files["library.properties"].decode().splitlines())
    assert properties["name"] == "edge_lstm_walk"
    assert properties["includes"] == "model.h"
    assert "firmware/toolchain.cmake" not in files
    for words in (["cmake", "-S", tmp_path, "-B", tmp_path / "b"], ["cmake", "--build", tmp_path / "b"]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "b" / "libedge_lstm_model.a").is_file()


STAND_IN = """
#include <stddef.h>
#include <stdint.h>
struct Port { void begin(long); int available(); int read(); size_t write(const uint8_t *, size_t); };
extern Port Serial;
"""


def test_the_sketch_compiles_against_a_stand_in_for_arduinos_core(tmp_path: Path) -> None:
    """Not the IDE, which is not run here: its include of Arduino.h, and the calls of Serial that the sketch makes."""
    from edge_lstm_export.c_source import write_c

    native = quantised()
    project = portable_project(native)
    place(tmp_path, {**write_c(native), **{n: c for n, c in project.items() if "/" not in n}})
    sketch = project["examples/edge_lstm_stream/edge_lstm_stream.ino"].decode()
    (tmp_path / "sketch.cpp").write_text(STAND_IN + sketch)
    for compiler in (["avr-g++", "-mmcu=atmega328p"], ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb"]):
        words = [*compiler, "-std=gnu++11", "-Wall", "-Wextra", "-Werror", "-I", ".", "-c", "sketch.cpp"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_server_of_a_small_model_fits_an_uno(tmp_path: Path) -> None:
    """Server, state and both buffers beside 2 KB of RAM: LSTM(16) on four channels."""
    from models import calibrated, float_model

    from edge_lstm_calibration import quantise_native
    from edge_lstm_export.c_source import write_c

    model = float_model(features=4, units=(16,), outputs=3)
    native = quantise_native(model, calibrated(model))
    place(tmp_path, {**write_c(native), **{n: c for n, c in portable_project(native).items() if "/" not in n}})
    (tmp_path / "size.c").write_text('#include "el_serve.h"\nel_server server;\n')
    words = ["avr-gcc", "-mmcu=atmega328p", "-std=c99", "-Os", "-c", "size.c"]
    subprocess.run(words, cwd=tmp_path, check=True)
    listed = subprocess.run(["avr-nm", "-S", "size.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    size = next(int(line.split()[1], 16) for line in listed.splitlines() if line.endswith(" server"))
    assert size < 512


def test_exporting_twice_gives_the_same_project() -> None:
    native = quantised()
    assert portable_project(native) == portable_project(native)
    assert np.frombuffer(portable_project(native)["el_self_test_vectors.h"], np.uint8).size < 8000
