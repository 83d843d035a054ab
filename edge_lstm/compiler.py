"""The C compiler of this computer, and shared libraries made with it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.errors import ExportError, MissingDependencyError

COMPILERS = ("cc", "gcc", "clang")
"""Tried in this order on the PATH, after ``$CC`` and before the ``ziglang`` package."""

SECONDS = 300.0
"""A first run of zig builds the parts of libc it needs; a compiler that takes longer than this hangs."""


@dataclass(frozen=True)
class Platform:
    """How a shared library is made on an operating system.

    Args:
        suffix: of its file name.
        flags: for position and for the linker: no build id, no time stamp, no symbols that nobody calls.
    """

    suffix: str
    flags: tuple[str, ...]


PLATFORMS = {
    "linux": Platform(".so", ("-fPIC", "-shared", "-Wl,--build-id=none", "-Wl,-s")),
    "darwin": Platform(".dylib", ("-fPIC", "-dynamiclib", "-Wl,-no_uuid", "-Wl,-install_name,model.dylib")),
    "win32": Platform(".dll", ("-shared", "-s")),
}

# -O3 steps twice as fast as -O2 with gcc, which vectorises only there. A debug record would hold paths.
FLAGS = (
    *("-std=c99", "-O3", "-g0", "-ffp-contract=off", "-DEL_NO_CONTRACTION"),
    *("-fvisibility=hidden", "-fno-ident", "-fno-plt"),
)


def find_compiler() -> list[str]:
    """The command of a C compiler: ``$CC``, then cc, gcc or clang, then the ``ziglang`` package.

    Raises:
        MissingDependencyError: if there is none.
    """
    asked = shlex.split(os.environ.get("CC", ""))
    if asked:
        if shutil.which(asked[0]) is None:
            raise MissingDependencyError(f"CC is set to {asked[0]!r}, which is not a program here; correct or unset CC")
        return asked
    for name in COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return [path]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise MissingDependencyError(
        f"no C compiler: neither CC nor {', '.join(COMPILERS)} nor the ziglang package; pip install 'edge-lstm[cc]'"
    )


def compile_shared(
    sources: Mapping[str, bytes],
    defines: Sequence[str] = (),
    compiler: Sequence[str] | None = None,
    system: str = sys.platform,
) -> bytes:
    """The shared library of C sources, the same bytes for the same sources and compiler.

    Args:
        sources: file name → contents; every ``.c`` is compiled, headers lie beside them.
        defines: macros to define, ``NAME`` or ``NAME=VALUE``.
        compiler: the command; None finds one.
        system: what it compiles for, as ``sys.platform`` names it.

    Raises:
        ExportError: if the compiler refuses the sources or does not end.
        MissingDependencyError: if there is no compiler.
    """
    command, platform = list(compiler or find_compiler()), PLATFORMS.get(system, PLATFORMS["linux"])
    units = sorted(name for name in sources if name.endswith(".c"))
    library = f"model{platform.suffix}"
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        for name, content in sources.items():
            (Path(folder) / name).write_bytes(content)
        # Relative names and a fixed output name: nothing of this computer's paths can reach the library.
        arguments = [*FLAGS, *(f"-D{macro}" for macro in defines), *platform.flags, "-o", library, *units]
        _run([*command, *arguments, *_libraries(sources, system)], folder)
        return (Path(folder) / library).read_bytes()


def _libraries(sources: Mapping[str, bytes], system: str) -> list[str]:
    if system == "win32":
        return []
    if any(b"<math.h>" in content for content in sources.values()):
        return ["-lm"]
    # Without a libc of its own the library loads under any: glibc of any age, or musl.
    return ["-nostdlib"] if system.startswith("linux") else []


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the compiler is the user's own
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"{command[0]}: no end after {SECONDS:.0f} s; try another compiler through CC") from error
    except OSError as error:
        raise ExportError(f"{command[0]}: cannot be run: {error.strerror or error}; try another through CC") from error
    if done.returncode:
        raise ExportError(f"{command[0]}: {_first_error(done.stderr)}; try another compiler through CC")


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["failed and said nothing"])[0]
