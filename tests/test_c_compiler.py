"""Finding a C compiler on this computer, and shared libraries that are the same bytes every time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import COMPILERS, compiler_name, random_codes, random_native, run

from edge_lstm import compiler
from edge_lstm.compiler import compile_shared, find_compiler
from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm.reference import network, replay
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm_export.c_source import host_sources


@pytest.mark.parametrize("command", COMPILERS, ids=compiler_name)
def test_libraries_are_reproducible_and_exact(tmp_path: Path, command: list[str]) -> None:
    """Each compiler gives the same bytes twice, without a path of this computer, and the reference's outputs."""
    model = random_native(1, 3, (5, 4), 2)
    sources = host_sources(model)
    first = compile_shared(sources, compiler=command)
    assert first == compile_shared(sources, compiler=command)
    assert b"edge-lstm-" not in first
    assert b"/tmp" not in first
    path = tmp_path / "model.so"
    path.write_bytes(first)
    codes = random_codes(model, 80)
    assert np.array_equal(CLibrary(path).run(codes), replay(network(model), [codes])[0])


def symbols(path: Path, which: str) -> set[str]:
    return {line.split()[-1] for line in run(["nm", "-D", which, str(path)], path.parent).stdout.decode().splitlines()}


def test_only_the_host_calls_are_exported(tmp_path: Path) -> None:
    """The library shows el_host_* alone, so two live in one process; it may ask for Python, and for no libc."""
    path = tmp_path / "model.so"
    path.write_bytes(compile_shared(host_sources(random_native(1, 3, (5,), 2))))
    shown = symbols(path, "--defined-only")
    assert "el_host_step" in shown
    assert all(name.startswith("el_host_") for name in shown)
    asked = {name for name in symbols(path, "--undefined-only") if not name.startswith("Py")}
    assert asked <= {"memcpy", "memset"}
    assert b"libc.so" not in path.read_bytes()


LOADER = b"""
#include <dlfcn.h>
int main(int count, char **words) { return count == 2 && dlopen(words[1], RTLD_NOW) ? 0 : 1; }
"""


def test_a_program_without_python_can_load_it(tmp_path: Path) -> None:
    """What it asks of Python may be absent, even where every name is looked up at once."""
    (tmp_path / "model.so").write_bytes(compile_shared(host_sources(random_native(1, 3, (5,), 2))))
    (tmp_path / "loader.c").write_bytes(LOADER)
    run([*find_compiler(), "loader.c", "-o", "loader", "-ldl"], tmp_path)
    assert run(["./loader", "./model.so"], tmp_path).returncode == 0


def test_cc_is_asked_first(monkeypatch: Any) -> None:
    """``$CC`` wins, arguments and all; one that does not exist is named."""
    monkeypatch.setenv("CC", f"'{sys.executable}' -m ziglang cc")
    assert find_compiler() == [sys.executable, "-m", "ziglang", "cc"]
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(MissingDependencyError, match="CC is set to 'no-such-compiler'"):
        find_compiler()


def test_without_a_compiler_zig_serves(monkeypatch: Any, tmp_path: Path) -> None:
    """On an empty PATH the ziglang package is the compiler; without it the message says what to install."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler() == [sys.executable, "-m", "ziglang", "cc"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[cc\]'"):
        find_compiler()


def test_the_first_error_of_the_compiler_is_shown() -> None:
    """A source that does not compile gives one line with the compiler's first error."""
    with pytest.raises(ExportError, match=r"bad\.c:1:.*error") as caught:
        compile_shared({"bad.c": b"int f(void) { return undeclared; }\n"})
    assert "\n" not in str(caught.value)


def test_a_compiler_that_cannot_run_or_end_is_named(monkeypatch: Any, tmp_path: Path) -> None:
    """A broken or hanging compiler is an error in one line, never a hang."""
    broken = tmp_path / "broken"
    broken.write_text("no program")
    with pytest.raises(ExportError, match="cannot be run"):
        compile_shared({"a.c": b""}, compiler=[str(broken)])
    monkeypatch.setattr(compiler, "SECONDS", 0.2)
    with pytest.raises(ExportError, match="no end after"):
        compile_shared({"a.c": b""}, compiler=[sys.executable, "-c", "import time; time.sleep(30)"])
