"""The table of programs, and the compilers and emulators that are tried another way."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edge_lstm.compiler import compile_shared, find_compiler
from edge_lstm.doctor.finding import Finding, examine_command, extra, run_command
from edge_lstm.doctor.packages import Here
from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm_export.firmware.toolchain import TOOLCHAINS


@dataclass(frozen=True)
class Program:
    """A program on the PATH that says its version.

    Args:
        group, purpose, install: as of ``Package``.
        flag: what makes it say its version.
    """

    group: str
    name: str
    purpose: str
    install: str
    flag: str = "--version"

    def examine(self, _here: Here) -> Finding:
        command = [self.name] if shutil.which(self.name) else None
        return examine_command(self.group, self.name, command, self.install, f"for {self.purpose}: ", self.flag)


PROGRAMS = (
    Program("boards", "ssh", "deploying to boards", "apt install openssh-client", "-V"),
    Program("emulators", "qemu-system-arm", "Cortex-M boards", "apt install qemu-system-arm"),
    Program("emulators", "qemu-arm", "32-bit boards with Linux", "apt install qemu-user"),
    Program("emulators", "qemu-aarch64", "64-bit boards with Linux", "apt install qemu-user"),
    Program("emulators", "qemu-x86_64", "counting what this kind of computer does", "apt install qemu-user"),
    Program(
        *("boards", "edgetpu_compiler", "compiling for an Edge TPU"),
        "Coral's Debian packages (x86-64 alone); neither PyPI nor Debian has it",
    ),
)


def toolchain(name: str) -> Finding:
    row = TOOLCHAINS[name]
    return examine_command("compilers", name, row.command(), row.install)


def c_compiler() -> Finding:
    """It compiles a library as export does."""
    try:
        command = find_compiler()
        compile_shared({"one.c": b"int one(void) { return 1; }\n"}, compiler=command)
    except MissingDependencyError as error:
        return Finding("compilers", "C compiler", "missing", str(error), f"for export: {extra('cc')}")
    except ExportError as error:
        return Finding("compilers", "C compiler", "broken", str(error), f"set CC to another, or {extra('cc')}")
    return Finding("compilers", "C compiler", "ok", f"{' '.join(command)}, {run_command([*command, '--version'])[1]}")


def simavr() -> Finding:
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
