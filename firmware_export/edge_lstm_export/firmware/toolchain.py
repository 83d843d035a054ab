"""Cross compilers: which command, with which flags, and how a program of C sources is linked with it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.board import Core
from edge_lstm.errors import ExportError, MissingDependencyError

SECONDS = 300.0
"""A first run of zig builds parts of its own library; a compiler that takes longer than this hangs."""

FLAGS = ("-std=c99", "-ffreestanding", "-fno-builtin", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off")


class TooLargeError(ExportError):
    """The model is larger than the core can address or the memory it is linked for."""


@dataclass(frozen=True)
class Toolchain:
    """A compiler.

    Args:
        command: gives the command, or None if it is not installed.
        install: what installs it.
        flags: of every compilation; those of the core come from its file.
        link: of every link.
        libraries: after the sources: arithmetic that the core has no instructions for.
    """

    command: Callable[[], list[str] | None]
    install: str
    flags: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


def _program(name: str) -> Callable[[], list[str] | None]:
    return lambda: [name] if shutil.which(name) else None


def _zig() -> list[str] | None:
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


TOOLCHAINS: Mapping[str, Toolchain] = {
    # -g0 would drop the symbols that sizes and emulators are told by. lld aligns segments to 64 KiB unless told.
    "zig": Toolchain(
        _zig,
        "pip install 'edge-lstm[boards]'",
        flags=("-g", "-fno-stack-protector", "-fno-sanitize=all", "-fomit-frame-pointer"),
        link=("-Wl,-z,max-page-size=16",),
    ),
    "arm-none-eabi-gcc": Toolchain(
        _program("arm-none-eabi-gcc"),
        "apt install gcc-arm-none-eabi",
        link=("-nostdlib",),
        libraries=("-lgcc",),
    ),
    "riscv64-unknown-elf-gcc": Toolchain(
        _program("riscv64-unknown-elf-gcc"),
        "apt install gcc-riscv64-unknown-elf",
        flags=("-msmall-data-limit=0",),
        link=("-nostdlib",),
        libraries=("-lgcc",),
    ),
    "aarch64-linux-gnu-gcc": Toolchain(
        _program("aarch64-linux-gnu-gcc"),
        "apt install gcc-aarch64-linux-gnu",
        libraries=("-lgcc",),
    ),
    "arm-linux-gnueabihf-gcc": Toolchain(
        _program("arm-linux-gnueabihf-gcc"),
        "apt install gcc-arm-linux-gnueabihf",
        libraries=("-lgcc",),
    ),
    "avr-gcc": Toolchain(
        _program("avr-gcc"),
        "apt install gcc-avr avr-libc",
        link=("-nostdlib",),
        libraries=("-lm", "-lc", "-lgcc"),
    ),
}


def build(
    core: Core,
    sources: Mapping[str, bytes],
    linker_script: str | None = None,
    toolchain: str | None = None,
    extra: Sequence[str] = (),
) -> bytes:
    """The ELF of C sources for a core.

    Args:
        sources: file name → contents: every ``.c`` and ``.S`` is compiled, headers and scripts lie beside them.
        linker_script: its name among them.
        toolchain: a name of ``TOOLCHAINS``; None takes the core's first.
        extra: more flags, after all others.

    Raises:
        ProjectError: if the core cannot be compiled for, or not by that toolchain.
        MissingDependencyError: if the toolchain is not installed.
        TooLargeError: if the program does not fit.
        ExportError: if it refuses the sources.
    """
    name = toolchain or next(iter(core.toolchains), None)
    if name is None or name not in core.toolchains:
        known = ", ".join(core.toolchains) or "none"
        raise ExportError(f"no compiler {name or ''} for {core.title}: those known for it are {known}")
    chosen = TOOLCHAINS[name]
    script = () if linker_script is None else (f"-Wl,-T,{linker_script}", "-Wl,-e,board_step")
    flags = [*FLAGS, core.optimise, *core.toolchains[name], *chosen.flags]
    return compiled(name, core.title, sources, [*flags, *chosen.link, *script, "-Wl,--gc-sections", *extra])


def command_of(name: str, title: str) -> list[str]:
    """The command of a toolchain.

    Raises:
        MissingDependencyError: if it is not installed.
    """
    command = TOOLCHAINS[name].command()
    if command is None:
        raise MissingDependencyError(f"{name} is not installed, it compiles for {title}; {TOOLCHAINS[name].install}")
    return command


def compiled(name: str, title: str, sources: Mapping[str, bytes], arguments: Sequence[str]) -> bytes:
    """The ELF of C sources.

    Args:
        name: of the toolchain.
        title: what it compiles for, for messages.
        sources: as of ``build``.
        arguments: everything but the sources and the libraries.

    Raises:
        MissingDependencyError, TooLargeError, ExportError: as ``build``.
    """
    chosen, command = TOOLCHAINS[name], command_of(name, title)
    units = sorted(n for n in sources if n.endswith((".c", ".S")))
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        for file, content in sources.items():
            (Path(folder) / file).write_bytes(content)
        everything = [*command, *arguments, "-o", "image.elf", *units, *chosen.libraries]
        try:
            done = subprocess.run(  # noqa: S603 - a compiler of the table above
                everything, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{name} for {title}: did not end within {SECONDS:.0f} s; run it by hand") from error
        except OSError as error:
            why = error.strerror or error
            raise MissingDependencyError(
                f"{name} cannot be run ({why}), it compiles for {title}; {chosen.install}"
            ) from error
        if done.returncode:
            complaint = _complaint(done.stderr)
            if any(words in complaint for words in ("too large", "overflowed", "will not fit")):
                raise TooLargeError(f"the model is too large for {title}; take fewer units ({name}: {complaint})")
            raise ExportError(f"{name} for {title}: {complaint}")
        return (Path(folder) / "image.elf").read_bytes()


def _complaint(said: str) -> str:
    """The line that names the cause: linkers give theirs before the driver says that "ld returned 1"."""
    lines = said.splitlines() or ["failed and said nothing"]
    causes = ("error", "undefined", "overflowed", "will not fit", "cannot find")
    return next((line for line in lines if any(cause in line.lower() for cause in causes)), lines[0]).strip()
