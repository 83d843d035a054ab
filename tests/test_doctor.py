"""The doctor says of everything whether it is there and works, and outlives what is broken."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner

from edge_lstm.board import board_names, load_board
from edge_lstm.cli import cli
from edge_lstm.compiler import compile_shared
from edge_lstm.doctor import GROUPS, PACKAGES, PROGRAMS, Here
from edge_lstm.doctor.computer import GOVERNOR, THROTTLED, governor, serial_ports, service_manager, throttling
from edge_lstm.doctor.edge_tpu import edge_tpu_device
from edge_lstm.doctor.packages import IDENTITY, python_machine
from edge_lstm_export.emulators.qemu_user import MACHINES
from edge_lstm_export.firmware.toolchain import TOOLCHAINS

ROOT = Path(__file__).parents[1]
BASE = ("numpy", "click", "safetensors")
MAIN = "from edge_lstm.cli import main; main()"

PI_64 = Here("linux", "aarch64", (2, 36), (3, 11))
PI_64_OLD = Here("linux", "aarch64", (2, 31), (3, 11))
PI_64_NEW = Here("linux", "aarch64", (2, 41), (3, 13))
PI_32 = Here("linux", "armv7l", (2, 36), (3, 11))
PI_ZERO = Here("linux", "armv6l", (2, 36), (3, 11))
ALPINE = Here("linux", "x86_64", None, (3, 11))
PC = Here("linux", "x86_64", (2, 36), (3, 11))


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """A function: packages → a fresh environment with them alone, taken from this one."""

    def environment(*packages):
        place = tmp_path_factory.mktemp("bare")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=60)
        site = next(place.glob("lib/python*/site-packages"))
        for name in packages:
            files = distribution(name).files or ()
            for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
                (site / top).symlink_to(distribution(name).locate_file(top))
        roots = (ROOT, ROOT / "calibration", ROOT / "firmware_export")
        (site / "ours.pth").write_text("".join(f"{root}\n" for root in roots))
        return place

    return environment


@pytest.fixture(scope="session")
def base(bare):
    return bare(*BASE)


def doctor(place, *paths, **environment):
    """(exit code, name → finding) of a doctor with no program on its path.

    Args:
        paths: folders whose packages come before those installed.
    """
    done = subprocess.run(
        [place / "bin" / "python", "-c", MAIN, "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "", "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment},
    )
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0)
    return done.returncode, {finding["name"]: finding for finding in told["findings"]}


def package(folder, name, code):
    """A package that does something when it is imported."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    return folder


def lacking(name, here):
    row = next(row for row in PACKAGES if row.name == name)
    return row.wheels.lacking(here) if row.wheels else ""


def test_the_base_alone_is_sound_and_everything_else_is_missing(base):
    """As on a board: exit code 0, and each line that is missing says what to do."""
    code, found = doctor(base)
    assert code == 0
    # What the computer is itself does not hang on what is installed.
    found = {name: finding for name, finding in found.items() if finding["group"] != "here"}
    assert {name for name, finding in found.items() if finding["status"] == "ok"} == {"Python", "platform", *BASE}
    rest = [finding for finding in found.values() if finding["status"] != "ok"]
    assert {finding["status"] for finding in rest} == {"missing"}
    assert len(rest) == len(PACKAGES) - len(BASE) + len(PROGRAMS) + len(TOOLCHAINS) + 4
    assert all(finding["advice"] and "\n" not in finding["found"] for finding in rest)
    assert found["tflite-runtime"]["advice"] == "for that back end: pip install 'edge-lstm[tflite]'"


@pytest.mark.parametrize(
    ("name", "module", "code", "said"),
    [
        ("numpy", "numpy", "raise ImportError('built for another Python')", "ImportError: built for another Python"),
        ("safetensors", "safetensors", "import os; os.kill(os.getpid(), 11)", "crashes with SIGSEGV"),
        ("LiteRT", "ai_edge_litert", "import os; os.kill(os.getpid(), 6)", "crashes with SIGABRT"),
        ("onnxruntime", "onnxruntime", "raise SystemExit(7)", "of unknown version: "),
        ("tflite-runtime", "tflite_runtime", "", "ModuleNotFoundError: No module named 'tflite_runtime.interpreter'"),
        ("unicorn", "unicorn", "import ctypes; ctypes.string_at(0)", "crashes with SIGSEGV"),
    ],
)
def test_what_is_installed_and_does_not_work_is_one_line(base, tmp_path, name, module, code, said):
    """Even the crash of NumPy: the others are told as before, the exit code is 1."""
    exit_code, found = doctor(base, package(tmp_path, module, code))
    assert exit_code == 1
    broken = found.pop(name)
    assert broken["status"] == "broken"
    assert said in broken["found"]
    assert broken["advice"]
    assert {finding["status"] for finding in found.values()} == {"ok", "missing"}


def test_a_base_without_safetensors_is_broken(bare):
    """What every model file needs is no option."""
    code, found = doctor(bare("numpy", "click"))
    assert code == 1
    assert found["safetensors"] == {
        "group": "base",
        "name": "safetensors",
        "status": "broken",
        "found": "not installed",
        "advice": "for every model file: pip install safetensors",
    }


def test_a_file_of_the_users_with_the_name_of_a_package_is_not_taken_for_it(base, tmp_path):
    """The folder that the doctor is called in is not searched."""
    (tmp_path / "numpy.py").write_text("raise ImportError('mine')")
    command = [base / "bin" / "python", "-P", "-c", MAIN, "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env={"PATH": ""})
    assert done.returncode == 0, done.stdout


def test_tflite_runtime_under_numpy_2_is_found_broken_and_not_run(bare, runnable_bundles):
    """The real two: it imports without a complaint, and fails with its first model; a stream passes it over."""
    place = bare("click", "safetensors", "tflite-runtime")
    pip = [sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", "-q", "numpy>=2"]
    subprocess.run(pip, check=True, timeout=300)
    code, found = doctor(place)
    assert code == 1
    assert found["numpy"]["status"] == "ok"
    assert found["numpy"]["found"].startswith("2.")
    assert found["tflite-runtime"]["status"] == "broken"
    assert "pip install 'numpy<2'" in found["tflite-runtime"]["advice"]
    command = [place / "bin" / "python", "-c", MAIN, "stream", runnable_bundles["classify"], "--arithmetic", "tflite"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert "back end reference, arithmetic tflite; passed over: " in done.stderr
    assert "tflite-runtime (built for NumPy 1, this is 2." in done.stderr


def test_a_workstation_with_everything_is_sound_and_examined_within_5_seconds():
    """Processor time of all children together, on however many cores; TensorFlow is told of and not tried."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    assert result.exit_code == 0, result.output
    found = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert {found[row.name]["status"] for row in PACKAGES} == {"ok"}
    assert found["C compiler"]["status"] == "ok"
    assert found["TensorFlow"]["found"].endswith(", not tried")
    assert "never import tensorflow before tflite_runtime" in found["tflite-runtime"]["advice"]


def test_the_text_is_a_line_a_finding_and_a_count(base):
    """The same findings as in JSON, in the order of the groups."""
    text, told = (
        subprocess.run(
            [base / "bin" / "python", "-c", MAIN, "doctor", *form],
            env={"PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for form in ([], ["--json"])
    )
    findings = json.loads(told)["findings"]
    lines = [line for line in text.splitlines()[:-1] if line]
    assert [line.split()[0] for line in lines] == [finding["status"] for finding in findings]
    assert all(finding["found"] in line for line, finding in zip(lines, findings, strict=True))
    assert [finding["group"] for finding in findings] == sorted((f["group"] for f in findings), key=GROUPS.index)
    statuses = [finding["status"] for finding in findings]
    assert text.splitlines()[-1] == ", ".join(f"{statuses.count(s)} {s}" for s in ("ok", "missing", "broken"))


@pytest.mark.parametrize(
    ("name", "here", "reason"),
    [
        ("numpy", PI_64, ""),
        ("numpy", PI_32, "PyPI has no wheel for linux armv7l"),
        ("numpy", ALPINE, ""),
        ("cryptography", PI_32, "PyPI has no wheel for linux armv7l"),
        ("tflite-runtime", PI_64, ""),
        ("tflite-runtime", PI_32, ""),
        ("tflite-runtime", PI_ZERO, "PyPI has no wheel for linux armv6l"),
        ("tflite-runtime", PI_64_OLD, "its wheel for linux aarch64 needs glibc 2.34"),
        ("tflite-runtime", PI_64_NEW, "wheels exist for Python 3.8 to 3.11 alone, this is 3.13"),
        ("tflite-runtime", ALPINE, "its wheel for linux x86_64 needs glibc 2.17"),
        ("LiteRT", PI_64_NEW, ""),
        ("LiteRT", PI_64_OLD, ""),
        ("LiteRT", PI_32, "PyPI has no wheel for linux armv7l"),
        ("TensorFlow Lite Micro", PC, ""),
        ("TensorFlow Lite Micro", PI_64, "PyPI has no wheel for linux aarch64"),
    ],
)
def test_the_table_of_wheels_is_what_pip_finds(name, here, reason):
    """As pip was asked, platform by platform."""
    assert lacking(name, here) == reason


def test_where_there_is_no_wheel_the_advice_is_another_way():
    """pip would only fail, or build for hours."""
    row = next(row for row in PACKAGES if row.name == "LiteRT")
    absent = row.absent(PI_32)
    assert absent.found == "not installed, and PyPI has no wheel for linux armv7l"
    assert "the back end c needs no interpreter" in absent.advice
    assert "pip" not in absent.advice


def test_the_model_that_interpreters_are_tried_with_is_an_identity():
    """Built anew from the schema: one int8 tensor, in and out."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer, tensor.name = [1], schema.TensorType.INT8, 0, "x"
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert base64.b64decode(IDENTITY) == bytes(builder.Output())


def test_every_emulator_of_every_board_is_looked_for():
    """A core's file that names a new one needs a row here."""
    looked_for = {row.name for row in (*PACKAGES, *PROGRAMS)} | {"simavr"}
    names = {load_board(board).core.emulator.get("name") for board in board_names()} - {None}
    user = {f"qemu-{machine}" for machine in MACHINES.values()}
    needed = {"qemu-system": {"qemu-system-arm"}, "qemu-user": user, "unicorn": {"unicorn"}, "simavr": {"simavr"}}
    assert [name for name in names if not needed[name] <= looked_for] == []


def test_every_extra_is_examined():
    """A package that pyproject.toml asks for and the doctor does not know would be a gap; ziglang is a compiler."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {re.split(r"[<>=; ]", line)[0] for name, lines in extras.items() if name != "dev" for line in lines}
    known = {name for row in PACKAGES for name in row.distributions}
    assert asked - known == {"ziglang"}
    assert "zig" in TOOLCHAINS
    assert [row.name for row in PACKAGES if importlib.util.find_spec(row.module) is None] == []


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [(None, "missing", "not installed"), (b"", "broken", "file too short"), (b"a library", "ok", "loads")],
)
def test_the_edge_tpu_library_is_what_the_loader_finds(base, tmp_path, content, status, said):
    """None, one that a copy cut, one that loads."""
    if content:
        content = compile_shared({"tpu.c": b"int tpu(void) { return 1; }\n"})
    if content is not None:
        (tmp_path / "libedgetpu.so.1").write_bytes(content)
    _, found = doctor(base, LD_LIBRARY_PATH=str(tmp_path))
    assert found["libedgetpu.so.1"]["status"] == status
    assert said in found["libedgetpu.so.1"]["found"]


@pytest.mark.parametrize(
    ("bus", "names", "vendor", "product", "said"),
    [
        ("usb", ("idVendor", "idProduct"), "1a6e", "089a", "USB, before its first use"),
        ("usb", ("idVendor", "idProduct"), "18d1", "9302", "USB, "),
        ("pci", ("vendor", "device"), "0x1ac1", "0x089a", "PCIe, "),
    ],
)
def test_an_edge_tpu_is_known_by_its_numbers(tmp_path, bus, names, vendor, product, said):
    """Among other devices and such as have no number, as the kernel lists them."""
    assert edge_tpu_device(tmp_path).status == "missing"
    for device, numbers in (("1-0", ("1d6b", "0002")), ("1-1", (vendor, product))):
        (tmp_path / bus / "devices" / device).mkdir(parents=True)
        for name, number in zip(names, numbers, strict=True):
            (tmp_path / bus / "devices" / device / name).write_text(number + "\n")
    (tmp_path / bus / "devices" / "0-port").mkdir()
    found = edge_tpu_device(tmp_path)
    assert found.status == "ok"
    assert found.found.startswith(said)
    assert found.found.endswith("1-1")


def test_a_compiler_that_compiles_nothing_is_broken(base, tmp_path):
    """It is tried and not only looked for."""
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'cc: error: no assembler' >&2\nexit 1\n")
    compiler.chmod(0o755)
    code, found = doctor(base, CC=str(compiler))
    assert code == 1
    assert found["C compiler"]["status"] == "broken"
    assert "no assembler" in found["C compiler"]["found"]


@pytest.mark.parametrize(
    ("kernel", "is_64_bit", "machine"),
    [
        ("aarch64", True, "aarch64"),
        ("aarch64", False, "armv7l"),
        ("armv8l", False, "armv7l"),
        ("armv6l", False, "armv6l"),
        ("x86_64", False, "i686"),
    ],
)
def test_wheels_go_by_the_bits_of_python_and_not_of_the_kernel(kernel, is_64_bit, machine):
    """As on Raspberry Pi OS of 32 bits."""
    assert python_machine(kernel, is_64_bit) == machine


def test_the_platform_names_the_programs_of_a_bundle(base):
    """Which folder of linux/ is for this computer."""
    assert doctor(base)[1]["platform"]["found"].endswith(f", takes a bundle's programs for {os.uname().machine}")


def test_ssh_says_its_version_where_it_is_installed():
    """It does so on stderr, unlike all others."""
    row = next(row for row in PROGRAMS if row.name == "ssh")
    found = row.examine(PC)
    assert (found.status, found.group) == ("ok", "boards")
    assert found.found.startswith("OpenSSH_")


def test_systemd_is_there_where_it_runs(tmp_path):
    """Installed and not running, as in a container, is of no use to a service."""
    assert service_manager(tmp_path).status == "missing"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert service_manager(tmp_path).found == "runs, without a journal"
    (tmp_path / "run/systemd/journal").mkdir()
    (tmp_path / "run/systemd/journal/socket").touch()
    assert service_manager(tmp_path).found == "runs, with a journal"


@contextlib.contextmanager
def as_nobody():
    """What a user without rights may do; root may do everything."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_serial_port_that_this_user_may_not_open_is_said():
    """The first thing that goes wrong on a Raspberry Pi, and the command that ends it."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        root = Path(folder)
        root.chmod(0o755)
        assert serial_ports(root).found == "none"
        (root / "dev").mkdir()
        for name, mode in (("ttyUSB0", 0o666), ("ttyACM0", 0o000), ("ttyS0", 0o000)):
            (root / "dev" / name).touch(mode)
            (root / "dev" / name).chmod(mode)
        with as_nobody():
            found = serial_ports(root)
        assert (found.status, found.found) == ("missing", f"{root}/dev/ttyACM0 cannot be opened by this user")
        assert "usermod -aG dialout" in found.advice
        (root / "dev" / "ttyACM0").chmod(0o666)
        with as_nobody():
            assert serial_ports(root).status == "ok"


@pytest.mark.parametrize(
    ("bits", "status", "said"),
    [
        ("0\n", "ok", "neither under-voltage nor throttling since the start"),
        ("50000\n", "ok", "good now; since the start: under-voltage, it is throttled"),
        ("50005\n", "broken", "now: under-voltage, it is throttled"),
        ("0x80008\n", "broken", "now: it is too hot"),
    ],
)
def test_a_raspberry_pi_tells_of_its_power(tmp_path, bits, status, said):
    """A weak power supply makes steps late; elsewhere there is nothing to tell."""
    assert throttling(tmp_path) is None
    (tmp_path / THROTTLED).parent.mkdir(parents=True)
    (tmp_path / THROTTLED).write_text(bits)
    found = throttling(tmp_path)
    assert (found.status, found.found) == (status, said)
    assert bool(found.advice) == (bits != "0\n")


def test_a_governor_that_slows_the_clock_is_told(tmp_path):
    """It is no fault: it saves power."""
    assert governor(tmp_path) is None
    (tmp_path / GOVERNOR).parent.mkdir(parents=True)
    for name in ("performance", "ondemand"):
        (tmp_path / GOVERNOR).write_text(f"{name}\n")
        found = governor(tmp_path)
        assert (found.status, found.found, bool(found.advice)) == ("ok", name, name != "performance")
