"""What is installed here, whether it works, and what to do where it does not: for a workstation as for a board.

Every check is a row of a table. A package is tried in a process of its own, because what is broken may crash; the
interpreters get a model to run, because some import well and break on their first one. TensorFlow alone is not tried:
its import takes seconds. This module needs nothing but Python, so that it can tell that the base is broken.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from edge_lstm.compiler import compile_shared, find_compiler
from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm_export.firmware.toolchain import TOOLCHAINS

Status = Literal["ok", "missing", "broken"]

SECONDS = 60.0
"""A child that takes longer hangs; an emulated board needs ten for the slowest."""

OLDEST_PYTHON = (3, 11)

IDENTITY = (
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAcAAAAwAAAAAMAAAABAAAACAAAAAQABAAEAAAAAQAAABAAAAAMABQAEAAMAAgA"
    "BAAMAAAAEAAAABAAAAAUAAAAGAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAQAAABQAAAAAAA4AFAAQAA8AAAAIAAQADgAAABwAAAA8AAAA"
    "AAAACTwAAAAMAAwAAAAAAAgABAAMAAAACAAAABQAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAgD8BAAAAeAAAAAEAAAABAAAAAAAAAA=="
)
"""A ``.tflite`` file of one int8 number that is both input and output, and of no operator."""


@dataclass(frozen=True)
class Finding:
    """A line of the diagnosis.

    Args:
        group: what it belongs to: a key of ``GROUPS``.
        found: version and place, or what is wrong.
        advice: what to do, or what to know; empty if there is nothing.
    """

    group: str
    name: str
    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Here:
    """The platform as a wheel names it.

    Args:
        system: ``sys.platform``.
        machine: of the Python, which may be of 32 bits under a kernel of 64.
        glibc: its version; None where there is none, as on Alpine or macOS.
        python: (major, minor).
    """

    system: str
    machine: str
    glibc: tuple[int, ...] | None
    python: tuple[int, int]

    @classmethod
    def found(cls) -> Here:
        library, release = platform.libc_ver()
        glibc = tuple(int(part) for part in release.split(".")[:2]) if library == "glibc" else None
        machine = python_machine(platform.machine(), sys.maxsize > 2**32)
        return cls(sys.platform, machine, glibc, sys.version_info[:2])

    def __str__(self) -> str:
        libc = f"glibc {'.'.join(map(str, self.glibc))}" if self.glibc else "no glibc"
        return f"{self.system} {self.machine}" + (f", {libc}" if self.system == "linux" else "")


def python_machine(kernel: str, is_64_bit: bool) -> str:
    """The machine that wheels are named after: Raspberry Pi OS of 32 bits comes with a kernel of 64."""
    narrow = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
    return kernel if is_64_bit else narrow.get(kernel, kernel)


@dataclass(frozen=True)
class Wheels:
    """For what a package is built on PyPI, as found in November 2026.

    Args:
        platforms: "system machine" → the oldest glibc, None where that is not the measure.
        pythons: the oldest and the newest; None takes any.
        instead: what to do where there is none.
    """

    platforms: Mapping[str, tuple[int, int] | None]
    instead: str
    pythons: tuple[tuple[int, int], tuple[int, int]] | None = None

    def lacking(self, here: Here) -> str:
        """Why pip finds no wheel here; empty if it does."""
        key = f"{here.system} {here.machine}"
        if key not in self.platforms:
            return f"PyPI has no wheel for {key}"
        if self.pythons and not self.pythons[0] <= here.python <= self.pythons[1]:
            bounds = " to ".join(f"{major}.{minor}" for major, minor in self.pythons)
            return f"wheels exist for Python {bounds} alone, this is {here.python[0]}.{here.python[1]}"
        oldest = self.platforms[key]
        if oldest and (here.glibc is None or here.glibc < oldest):
            return f"its wheel for {key} needs glibc {oldest[0]}.{oldest[1]}"
        return ""


@dataclass(frozen=True)
class Package:
    """A Python package that some part of the project uses.

    Args:
        distributions: its names for pip, the first that is there counts.
        purpose: what is lost without it.
        install: what gets it.
        script: Python that proves it works; None imports it, and "" tries nothing.
        wheels: None where there is one for every platform we know.
        known: advice if it breaks.
        needed: by everything, so that its lack is a fault.
    """

    group: str
    name: str
    module: str
    distributions: tuple[str, ...]
    purpose: str
    install: str
    script: str | None = None
    wheels: Wheels | None = None
    known: str = ""
    needed: bool = False

    def examine(self, here: Here) -> Finding:
        if importlib.util.find_spec(self.module) is None:
            return self.absent(here)
        release = next(filter(None, map(_version, self.distributions)), "of unknown version")
        if self.script == "":
            return Finding(self.group, self.name, "ok", f"{release}, not tried", f"for {self.purpose}")
        code, said = run_python(f"import {self.module}" if self.script is None else self.script)
        if code:
            return Finding(self.group, self.name, "broken", f"{release}: {said}", self.known or f"{self.install} again")
        return Finding(self.group, self.name, "ok", release)

    def absent(self, here: Here) -> Finding:
        """The finding where it is not installed."""
        lacking = self.wheels.lacking(here) if self.wheels else ""
        advice = self.wheels.instead if self.wheels and lacking else self.install
        found = f"not installed{', and ' if lacking else ''}{lacking}"
        return Finding(
            self.group, self.name, "broken" if self.needed else "missing", found, f"for {self.purpose}: {advice}"
        )


def extra(name: str) -> str:
    return f"pip install 'edge-lstm[{name}]'"


def _interpreter(module: str) -> str:
    """One byte through the model, as our back ends open one."""
    return f"""
import base64, numpy
from {module} import Interpreter, OpResolverType
plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
it = Interpreter(model_content=base64.b64decode({IDENTITY!r}), experimental_op_resolver_type=plain)
it.allocate_tensors()
it.set_tensor(0, numpy.array([5], numpy.int8))
it.invoke()
assert it.get_tensor(0)[0] == 5
"""


_TFLM = f"""
import base64, numpy
from tflite_micro import runtime
it = runtime.Interpreter.from_bytes(base64.b64decode({IDENTITY!r}))
it.set_input(numpy.array([5], numpy.int8), 0)
it.invoke()
assert it.get_output(0)[0] == 5
"""
_NUMPY = "import numpy; assert numpy.ones((2, 3)) @ numpy.ones(3) is not None"
_SIGN = """
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.generate()
key.public_key().verify(key.sign(b"x"), b"x")
"""

# On a board nothing is built from source: it takes hours, or has no memory for it.
_DEBIAN = "apt install {} on Debian or Raspberry Pi OS, and make the environment with --system-site-packages"
_DESKTOPS = ("darwin arm64", "win32 AMD64")
_LINUX = ("linux x86_64", "linux aarch64")
_BY_C = "the back end c needs no interpreter"

PACKAGES = (
    Package(
        *("base", "numpy", "numpy", ("numpy",), "everything", "pip install numpy"),
        script=_NUMPY,
        wheels=Wheels(dict.fromkeys((*_LINUX, *_DESKTOPS, "darwin x86_64")), _DEBIAN.format("python3-numpy")),
        needed=True,
    ),
    Package("base", "click", "click", ("click",), "the command line", "pip install click", needed=True),
    Package(
        *("base", "safetensors", "safetensors", ("safetensors",), "every model file", "pip install safetensors"),
        needed=True,
    ),
    Package(
        *("base", "cryptography", "cryptography", ("cryptography",), "signed bundles", extra("sign")),
        script=_SIGN,
        # It has a wheel for armv7l itself; the cffi it needs has none.
        wheels=Wheels(dict.fromkeys((*_LINUX, *_DESKTOPS)), _DEBIAN.format("python3-cryptography")),
    ),
    Package(
        *("runtimes", "tflite-runtime", "tflite_runtime", ("tflite-runtime",), "that back end", extra("tflite")),
        script=_interpreter("tflite_runtime.interpreter"),
        wheels=Wheels(
            {"linux x86_64": (2, 17), "linux aarch64": (2, 34), "linux armv7l": (2, 34)},
            f"LiteRT where it has wheels; {_BY_C}",
            ((3, 8), (3, 11)),
        ),
        known="2.14 is built for NumPy 1: pip install 'numpy<2', or use LiteRT",
    ),
    Package(
        *("runtimes", "LiteRT", "ai_edge_litert", ("ai-edge-litert",), "that back end", extra("tflite")),
        script=_interpreter("ai_edge_litert.interpreter"),
        wheels=Wheels(
            {**dict.fromkeys(_LINUX, (2, 27)), **dict.fromkeys(_DESKTOPS)},
            f"tflite-runtime where it has wheels; {_BY_C}",
            ((3, 10), (3, 14)),
        ),
        known="it has crashed under qemu-user without /sys/devices/system/cpu/{possible,present,online}; elsewhere "
        f"{extra('tflite')} again",
    ),
    Package(
        *("runtimes", "TensorFlow Lite Micro", "tflite_micro", ("tflite-micro",), "that back end", extra("micro")),
        script=_TFLM,
        wheels=Wheels(
            {"linux x86_64": (2, 28)}, "--backend reference --arithmetic tflm gives the same bytes", ((3, 10), (3, 14))
        ),
    ),
    Package(
        *("runtimes", "onnxruntime", "onnxruntime", ("onnxruntime",), "verifying float bundles", extra("onnx")),
        wheels=Wheels(dict.fromkeys((*_LINUX, *_DESKTOPS)), "export and verify on a workstation"),
    ),
    Package(
        *("runtimes", "TensorFlow", "tensorflow", ("tensorflow-cpu", "tensorflow"), "training", extra("train")),
        script="",
        wheels=Wheels(
            {**dict.fromkeys(_LINUX, (2, 27)), **dict.fromkeys(_DESKTOPS)}, "train on a workstation", ((3, 10), (3, 13))
        ),
    ),
    Package("runtimes", "rich", "rich", ("rich",), "the progress of training", extra("train")),
    Package("files", "flatbuffers", "flatbuffers", ("flatbuffers",), "writing TFLite", extra("tflite")),
    Package("files", "onnx", "onnx", ("onnx",), "writing ONNX", extra("onnx")),
    Package("files", "kaldi-native-fbank", "kaldi_native_fbank", ("kaldi-native-fbank",), "sound", extra("audio")),
    Package("files", "soundfile", "soundfile", ("soundfile",), "WAV files", extra("audio")),
    Package(
        *("boards", "paho-mqtt", "paho", ("paho-mqtt",), "samples and predictions by MQTT", extra("mqtt")),
        script="import paho.mqtt.client",
    ),
    Package("boards", "pyserial", "serial", ("pyserial",), "boards on a wire", extra("boards")),
    Package("boards", "pyelftools", "elftools", ("pyelftools",), "programs of boards", extra("boards")),
    Package("boards", "Vela", "ethosu", ("ethos-u-vela",), "compiling for an Ethos-U", extra("npu")),
    Package("emulators", "unicorn", "unicorn", ("unicorn",), "small cores", extra("boards")),
)


@dataclass(frozen=True)
class Program:
    """A program on the PATH that says its version.

    Args:
        group, purpose, install: as of ``Package``.
    """

    group: str
    name: str
    purpose: str
    install: str

    def examine(self, _here: Here) -> Finding:
        command = [self.name] if shutil.which(self.name) else None
        return examine_command(self.group, self.name, command, self.install, f"for {self.purpose}: ")


PROGRAMS = (
    Program("emulators", "qemu-system-arm", "Cortex-M boards", "apt install qemu-system-arm"),
    Program("emulators", "qemu-arm", "32-bit boards with Linux", "apt install qemu-user"),
    Program("emulators", "qemu-aarch64", "64-bit boards with Linux", "apt install qemu-user"),
    Program("emulators", "qemu-x86_64", "counting what this kind of computer does", "apt install qemu-user"),
    Program(
        *("boards", "edgetpu_compiler", "compiling for an Edge TPU"),
        "Coral's Debian packages (x86-64 alone); neither PyPI nor Debian has it",
    ),
)


def examine() -> list[Finding]:
    """Every check, several at a time; in the order of the tables, whatever they find."""
    here = Here.found()
    checks: list[Callable[[], Finding]] = [
        _python,
        lambda: _platform(here),
        *(_bound(row.examine, here) for row in (*PACKAGES, *PROGRAMS)),
        *(_bound(_toolchain, name) for name in TOOLCHAINS),
        _c_compiler,
        _simavr,
        _edge_tpu_library,
        edge_tpu_device,
    ]
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        findings = list(pool.map(lambda check: check(), checks))
    return sorted(_apart(findings), key=lambda finding: GROUPS.index(finding.group))


GROUPS = ("base", "runtimes", "files", "compilers", "emulators", "boards")


def _bound(function: Callable[[Any], Finding], argument: Any) -> Callable[[], Finding]:
    return lambda: function(argument)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """What to know of two runtimes that are both here."""
    there = {finding.name for finding in findings if finding.status == "ok"}
    if not {"TensorFlow", "tflite-runtime"} <= there:
        return list(findings)
    know = (
        "never import tensorflow before tflite_runtime in one process: it corrupts memory (edge-lstm keeps them apart)"
    )
    return [
        Finding(**{**asdict(finding), "advice": know}) if finding.name == "tflite-runtime" else finding
        for finding in findings
    ]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def run_python(script: str) -> tuple[int, str]:
    """(exit code, 0 if it did well; what was said last) of a script in a process of its own. Never raises."""
    # -P: a file of the user's that bears the name of a package must not be taken for it.
    return run_command([sys.executable, "-P", "-c", script])


def run_command(command: Sequence[str], text: str = "") -> tuple[int, str]:
    """The same of any command, which reads ``text``."""
    try:
        done = subprocess.run(  # noqa: S603 - this Python, or a program of the tables here
            command, input=text, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"does not end within {SECONDS:.0f} s"
    except OSError as error:
        return 1, f"cannot be run: {error.strerror}"
    if done.returncode < 0:
        return done.returncode, f"crashes with {signal.Signals(-done.returncode).name}"
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    return done.returncode, lines[-1 if done.returncode else 0].strip() if lines else ""


def examine_command(group: str, name: str, command: Sequence[str] | None, install: str, purpose: str = "") -> Finding:
    """A program that says its version; None is one that is not there."""
    if command is None:
        return Finding(group, name, "missing", "not installed", f"{purpose}{install}")
    code, said = run_command([*command, "--version"])
    return Finding(group, name, "broken", said, f"{install} again") if code else Finding(group, name, "ok", said)


def _python() -> Finding:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("base", "Python", "broken", found, "edge-lstm needs 3.11 or newer")
    return Finding("base", "Python", "ok", found)


def _platform(here: Here) -> Finding:
    return Finding("base", "platform", "ok", str(here))


def _toolchain(name: str) -> Finding:
    row = TOOLCHAINS[name]
    return examine_command("compilers", name, row.command(), row.install)


def _c_compiler() -> Finding:
    """It compiles a library as export does."""
    try:
        command = find_compiler()
        compile_shared({"one.c": b"int one(void) { return 1; }\n"}, compiler=command)
    except MissingDependencyError as error:
        return Finding("compilers", "C compiler", "missing", str(error), f"for export: {extra('cc')}")
    except ExportError as error:
        return Finding("compilers", "C compiler", "broken", str(error), f"set CC to another, or {extra('cc')}")
    return Finding("compilers", "C compiler", "ok", f"{' '.join(command)}, {run_command([*command, '--version'])[1]}")


def _simavr() -> Finding:
    """Debian keeps the header and the library to link with in one package, and no program."""
    advice = "for AVR: apt install libsimavr-dev libelf-dev"
    try:
        compiler = find_compiler()
    except MissingDependencyError:
        return Finding("emulators", "simavr", "missing", "cannot be used without a C compiler", advice)
    code, _ = run_command([*compiler, "-fsyntax-only", "-x", "c", "-"], "#include <simavr/sim_avr.h>\n")
    if code:
        return Finding("emulators", "simavr", "missing", "no <simavr/sim_avr.h>", advice)
    return Finding("emulators", "simavr", "ok", "its library is there")


EDGE_TPU_LIBRARY = "libedgetpu.so.1"


def _edge_tpu_library() -> Finding:
    """Found as the delegate finds it: by the loader."""
    code, said = run_python(f"import ctypes; ctypes.CDLL({EDGE_TPU_LIBRARY!r})")
    if code == 0:
        return Finding(
            "boards", EDGE_TPU_LIBRARY, "ok", "loads", "unchecked: no Edge TPU was at hand when this was written"
        )
    advice = "for an Edge TPU: Coral's Debian package libedgetpu1-std"
    if f"{EDGE_TPU_LIBRARY}: cannot open" in said:
        return Finding("boards", EDGE_TPU_LIBRARY, "missing", "not installed", advice)
    return Finding("boards", EDGE_TPU_LIBRARY, "broken", said, advice)


EDGE_TPU_IDS = {("1a6e", "089a"): "USB, before its first use", ("18d1", "9302"): "USB", ("1ac1", "089a"): "PCIe"}
"""(vendor, product) of Coral's accelerators; the one on USB takes another once its firmware is loaded."""


def edge_tpu_device(sysfs: Path = Path("/sys/bus")) -> Finding:
    """An accelerator that the kernel sees, by what it writes into ``sysfs``."""
    for bus, vendor, product in (("usb", "idVendor", "idProduct"), ("pci", "vendor", "device")):
        for device in sorted((sysfs / bus / "devices").glob("*")):
            kind = EDGE_TPU_IDS.get((_identity(device / vendor), _identity(device / product)))
            if kind:
                return Finding("boards", "Edge TPU", "ok", f"{kind}, {device}", f"needs {EDGE_TPU_LIBRARY}")
    return Finding("boards", "Edge TPU", "missing", "none on USB or PCIe", "plug it in if you have one")


def _identity(file: Path) -> str:
    try:
        return file.read_text().strip().removeprefix("0x")
    except OSError:  # a device without one, or that has just left
        return ""
