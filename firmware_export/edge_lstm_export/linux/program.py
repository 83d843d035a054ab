"""``edge-lstm-stream``: a program that needs nothing but the kernel, for every architecture of Linux."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from importlib.resources import files

from edge_lstm.integer import NativeModel
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.c_source import write_c
from edge_lstm_export.firmware.image import firmware_files
from edge_lstm_export.firmware.project import Firmware, self_test_vectors
from edge_lstm_export.firmware.toolchain import compiled
from edge_lstm_export.linux.architectures import architecture
from edge_lstm_export.linux.facts_c import Identity, facts_files

SELF_TEST_FILES = ("el_frame.c", "el_frame.h", "el_self_test.c", "el_self_test.h")

FLAGS = (
    *("-std=c99", "-D_GNU_SOURCE", "-ffp-contract=off", "-fno-sanitize=all", "-fno-stack-protector"),
    *("-fomit-frame-pointer", "-ffunction-sections", "-fdata-sections", "-fno-ident", "-g0"),
)

# Relative names and no build id: nothing of this computer's paths can reach the program.
LINK = ("-static", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none")


def stream_program(model: NativeModel, facts: Facts, name: str, model_file: bytes, arch: str) -> bytes:
    """The ELF of the program, the same bytes for the same model and facts.

    Args:
        facts: what the training data meant by a number.
        name: of the bundle.
        model_file: the file that holds the model, by whose digest a saved state knows it.
        arch: a name of ``ARCHITECTURES``.

    Raises:
        ExportError: if the architecture is not known, or the model has no place in C.
        MissingDependencyError: if the compiler is not installed.
    """
    chosen = architecture(arch)
    sources = stream_sources(model, facts, name, model_file, arch)
    return compiled("zig", f"Linux on {arch}", sources, [*FLAGS, *chosen.flags, *LINK])


def stream_sources(model: NativeModel, facts: Facts, name: str, model_file: bytes, arch: str) -> dict[str, bytes]:
    """The C of the program: file name → contents.

    Raises:
        ExportError: as ``stream_program``.
    """
    interface, digest = model.interface, hashlib.sha256(model_file)
    description = {
        "name": name,
        "arithmetic": "native",
        "model": digest.hexdigest(),
        "arch": arch,
        "channels": list(interface.channels),
        "outputs": list(interface.task.outputs),
        "task": interface.task.kind,
        "window": interface.task.window,
        "rate_hz": interface.rate_hz,
    }
    folder = files("edge_lstm_export") / "linux" / "stream"
    project = firmware_files(*(f"project/{file}" for file in SELF_TEST_FILES))
    return {
        **write_c(model, kernel_set_name=architecture(arch).kernels),
        **{path.removeprefix("project/"): content for path, content in project.items()},
        "el_self_test_vectors.h": self_test_vectors(Firmware(name, model, "native", model_file, None)),
        **{file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith((".c", ".h"))},
        **facts_files(model, facts, Identity(version("edge-lstm"), digest.digest(), description)),
    }
