"""The table of Python packages: how each is tried, where it has wheels, and what to do without."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from edge_lstm.doctor.finding import Finding, extra, run_python

IDENTITY = (
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAcAAAAwAAAAAMAAAABAAAACAAAAAQABAAEAAAAAQAAABAAAAAMABQAEAAMAAgA"
    "BAAMAAAAEAAAABAAAAAUAAAAGAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAQAAABQAAAAAAA4AFAAQAA8AAAAIAAQADgAAABwAAAA8AAAA"
    "AAAACTwAAAAMAAwAAAAAAAgABAAMAAAACAAAABQAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAgD8BAAAAeAAAAAEAAAABAAAAAAAAAA=="
)
"""A ``.tflite`` file of one int8 number that is both input and output, and of no operator."""


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
    Package("files", "h5py", "h5py", ("h5py",), "reading and writing Keras files", extra("import")),
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


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
