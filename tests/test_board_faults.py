"""What a stranger does to boards, their files and their firmware: each ends in right bytes or in one clear line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_nets import layout_of
from c_nets import random_codes, random_native
from click.testing import CliRunner
from models import calibrated, float_model, recordings
from qemu_boards import MACHINES, build_firmware, over_tcp, write_board_bundle

from edge_lstm.board import load_board, load_core
from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.errors import BundleError, ExportError, MissingDependencyError, ProjectError, TargetError
from edge_lstm.reference import network, trace
from edge_lstm.runtimes.serial_board import SerialBoard
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.board_verify import verify_boards
from edge_lstm_export.bundle_writer import Integers, int8_files, write_bundle
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.qemu import version
from edge_lstm_export.firmware import toolchain
from edge_lstm_export.firmware.image import firmware_files
from edge_lstm_export.firmware.project import Firmware, project_files
from edge_lstm_export.firmware.toolchain import build

PROGRAMS = Path(__file__).parent / "c"

CROWD_CORES = {
    "cortex-m0plus": "unicorn_core",
    "cortex-m3": "unicorn_core",
    "cortex-m4": "unicorn_core",
    "cortex-m55": "qemu_system",
    "rv32imc": "unicorn_core",
    "cortex-a7": "qemu_user",
    "cortex-a72": "qemu_user",
    "x86-64": "qemu_user",
    "avr5": "simavr",
}
"""Core of every kernel set → the module of its emulator."""


@pytest.mark.parametrize("name", CROWD_CORES)
def test_two_models_and_their_states_do_not_disturb_one_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two prefixes in one program with the board's kernels; states on the stack and at any address of 4 bytes."""
    core = load_core(name)
    alpha, beta = random_native(3, 5, (9, 4), 3), random_native(4, 3, (7,), 2, "w8a8")
    sources = {**write_c(alpha, kernel_set_name=core.kernels), **write_c(beta, "beta", core.kernels)}
    module = f"edge_lstm_export.emulators.{CROWD_CORES[name]}.firmware_files"
    crowd = (PROGRAMS / "crowd.c").read_bytes()
    monkeypatch.setattr(module, lambda *names: {**firmware_files(*names), "harness.c": crowd})
    codes = random_codes(alpha, 25).astype(np.int16)
    done = emulate(core, program(core, sources), layout_of(alpha), [codes], None)
    want = trace(network(alpha), codes)
    half = trace(network(alpha), codes >> 1)[2, "y"]
    small = trace(network(beta), codes[:, :3] >> 5)[1, "y"]
    mixed = want[2, "y"].astype(int) + 5 * half + (3 + 7) * small[:, [0, 1, 0]]
    assert np.array_equal(done.traces[0].outputs, mixed.astype(np.int16))
    for layer, (h, c) in enumerate(done.traces[0].states):
        assert np.array_equal(h, want[layer, "h"])
        assert np.array_equal(c, want[layer, "c"])


OWN_BOARD = """
title = "My own board"
core = "cortex-m3"
source = "me"

[flash]
origin = 0x0
bytes = 262_144
reserved = 0
reserved_for = "nothing"
source = "me"

[ram]
origin = 0x20000000
bytes = 65_536
reserved = 0
reserved_for = "nothing"
source = "me"
"""
"""An MPS2+ with AN385 (Cortex-M3), of whose serial port nothing is said."""


def own_board(folder: Path, old: str = "", new: str = "") -> str:
    file = folder / "my board.toml"
    file.write_text(OWN_BOARD.replace(old, new, 1))
    return str(file)


def test_a_board_without_a_driver_takes_the_users_as_its_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three functions and the command of ``c/firmware/README.md``, word by word; then it boots and steps."""
    bundle = write_board_bundle(tmp_path / "a bundle", own_board(tmp_path))
    source = bundle.path / "c"
    readme = (source / "firmware" / "README.md").read_text()
    command = next(line.strip() for line in readme.splitlines() if line.startswith("    cmake"))
    assert "-DEL_PORT=your_port.c" in command
    (source / "your_port.c").write_bytes(firmware_files("project/port_cmsdk.c")["project/port_cmsdk.c"])
    done = subprocess.run(command, shell=True, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setitem(MACHINES, "own", ["-M", "mps2-an385", "-serial"])
    with over_tcp("own", source / "build" / "firmware.elf") as url:
        runtime = SerialBoard(url, bundle)
        runtime.reset()
        codes = np.arange(15).reshape(5, 3)
        assert np.array_equal(runtime.run(codes), trace(network(bundle.model("native")), codes)[2, "y"])


def test_texts_of_a_users_board_file_stay_in_their_comments(tmp_path: Path) -> None:
    """Lines, ends of comments and dollar signs in its title and sources; the program still builds."""
    evil = 'title = "A\\nb */ $title ${x} \\"#"\nport = "cmsdk"'
    name = own_board(tmp_path, 'title = "My own board"', evil)
    Path(name).write_text(Path(name).read_text().replace('source = "me"', 'source = "a */ b\\nc $x"'))
    bundle = write_board_bundle(tmp_path / "bundle", name)
    build_firmware(bundle, tmp_path / "build")
    lines = (bundle.path / "c" / "library.properties").read_text().splitlines()
    assert [line.split("=")[0] for line in lines][4:6] == ["sentence", "paragraph"]


@pytest.mark.parametrize("port", ["uart9", "../../../../etc/passwd"])
def test_a_port_that_has_no_driver_is_named(tmp_path: Path, port: str) -> None:
    name = own_board(tmp_path, 'source = "me"', f'source = "me"\nport = "{port}"')
    firmware = Firmware("walk", random_native(1, 3, (4,), 2), "native", b"", load_board(name))
    with pytest.raises(ProjectError, match=f"my board: port '{port}' has no driver; choose from cmsdk, stm32f4"):
        project_files(firmware, ["model.c"])


def test_cmake_is_asked_for_nothing_newer_than_it_is_required_to_be() -> None:
    """3.16 is required; PROJECT_IS_TOP_LEVEL came with 3.21, and before it the program would silently not be built."""
    text = firmware_files("project/CMakeLists.txt")["project/CMakeLists.txt"].decode()
    assert "VERSION 3.16" in text
    assert "PROJECT_IS_TOP_LEVEL" not in text


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_board_bundle(tmp_path_factory.mktemp("bundle"), "mps2-an386")


def test_the_program_links_and_runs_with_link_time_optimisation(bundle: Bundle, tmp_path: Path) -> None:
    """What only assembly calls must stay."""
    source = bundle.path / "c"
    options = [f"-DCMAKE_TOOLCHAIN_FILE={source}/firmware/toolchain.cmake", "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON"]
    for command in (["cmake", "-S", source, "-B", tmp_path, *options], ["cmake", "--build", tmp_path]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    with over_tcp("mps2-an386", tmp_path / "firmware.elf") as url:
        runtime, codes = SerialBoard(url, bundle), np.arange(15).reshape(5, 3)
        runtime.reset()
        assert np.array_equal(runtime.run(codes), trace(network(bundle.model("native")), codes)[2, "y"])


@pytest.mark.parametrize("name", ["mps2-an386", "arduino-uno"])
def test_without_pyelftools_it_says_what_to_install(bundle: Bundle, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    done = CliRunner().invoke(cli, ["verify", str(bundle.path), "--board", name], prog_name="edge-lstm")
    assert done.exit_code == 3
    assert "pyelftools is not installed" in done.output
    assert "mismatches" not in done.output


def program_in_path(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_compiler_that_cannot_run_or_does_not_end_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, sources = load_core("cortex-m3"), {"a.c": b"int a;"}
    program_in_path(tmp_path, "arm-none-eabi-gcc", "\x7fELF no program", monkeypatch)
    with pytest.raises(
        MissingDependencyError, match=r"arm-none-eabi-gcc cannot be run .*apt install gcc-arm-none-eabi"
    ):
        build(core, sources, toolchain="arm-none-eabi-gcc")
    program_in_path(tmp_path, "arm-none-eabi-gcc", "#!/bin/sh\nexec /bin/sleep 60\n", monkeypatch)
    monkeypatch.setattr(toolchain, "SECONDS", 0.3)
    with pytest.raises(ExportError, match="did not end within"):
        build(core, sources, toolchain="arm-none-eabi-gcc")


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n", "\x7fELF no program"])
def test_a_broken_qemu_is_one_line(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program_in_path(tmp_path, "qemu-system-arm", text, monkeypatch)
    with pytest.raises(MissingDependencyError, match="qemu-system-arm is installed but does not tell its version"):
        version("qemu-system-arm")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(c="x"), "'c' of its manifest is no table"),
        (lambda m: m.update(c=None), "'c' of its manifest is no table"),
        (lambda m: m["arithmetics"].update({"c/model.c": 3}), "holds no integers"),
        (lambda m: m["arithmetics"].update({"c/model.c": []}), "holds no integers"),
    ],
)
def test_a_manifest_of_odd_types_is_refused(
    bundle: Bundle, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    file = shutil.copytree(bundle.path, tmp_path, dirs_exist_ok=True) / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=message):
        verify_boards(Bundle.open(tmp_path), [load_board("mps2-an386")])


def test_a_board_too_small_for_the_model_does_not_hide_the_others(tmp_path: Path) -> None:
    """90 units are 35 KB of weights, which AVR cannot address as one array; alone, that is a bad ask."""
    model = float_model(features=4, units=(90,), outputs=2)
    calibration = calibrated(model)
    integers = Integers(
        quantise_native(model, calibration), quantise_tflite(model, calibration), quantise_step(model, calibration)
    )
    write_bundle(tmp_path, "large", model, int8_files(model, integers, recordings(model, 1, 20), "dsp"), 0, {}, {})
    uno, nucleo = load_board("arduino-uno"), load_board("nucleo-f446re")
    report = verify_boards(Bundle.open(tmp_path), [uno, nucleo])
    report.require_ok()
    assert "the model is too large for Microchip AVR" in str(report.checks[0].not_run)
    assert report.checks[1].bytes > 0
    with pytest.raises(ExportError, match="the model is too large for Microchip AVR"):
        verify_boards(Bundle.open(tmp_path), [uno])


@pytest.mark.parametrize("url", ["socket://", "socket://127.0.0.1", "socket://h:99999", "socket://h:x", "socket://h:0"])
def test_a_socket_without_host_or_port_is_one_line(bundle: Bundle, url: str) -> None:
    with pytest.raises(TargetError, match=f"{url}: is no address; give socket://HOST:PORT"):
        SerialBoard(url, bundle)
