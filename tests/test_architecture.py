"""Who may import whom: data flows one way, and the small core stays small."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "edge_lstm": ROOT / "edge_lstm",
    "edge_lstm_calibration": ROOT / "calibration" / "edge_lstm_calibration",
    "edge_lstm_export": ROOT / "firmware_export" / "edge_lstm_export",
}

RULES = {
    "edge_lstm.errors": (),
    "edge_lstm.architecture": (),
    "edge_lstm.values": ("errors",),
    "edge_lstm.halves": ("errors",),
    "edge_lstm.cell_weights": ("errors", "values", "halves"),
    "edge_lstm.model": ("errors", "values", "cell_weights"),
    "edge_lstm.integer": ("errors", "model", "halves"),
    "edge_lstm.integer_step": ("errors", "model", "integer", "halves"),
    "edge_lstm.arithmetic": ("errors", "model", "integer", "integer_step", "arithmetic"),
    "edge_lstm.cells": ("errors", "model", "integer", "integer_step", "arithmetic", "cells"),
    "edge_lstm.reference": ("errors", "model", "integer", "integer_step", "arithmetic", "cells", "reference"),
    "edge_lstm.files": ("errors",),
    "edge_lstm.modelfile": ("errors", "files", "model", "integer", "integer_step", "halves"),
    "edge_lstm.datasets": ("errors", "model", "datasets"),
    "edge_lstm.tflite_schema": ("errors",),
    "edge_lstm.importers": ("errors", "model", "modelfile", "reference", "tflite_schema", "importers"),
    "edge_lstm.deploy": ("errors", "files", "bundle", "signing", "datasets", "deploy"),
    "edge_lstm.training": (
        *("errors", "model", "halves", "files", "datasets", "modelfile", "reference", "streaming"),
        "training",
    ),
    "edge_lstm_calibration": (
        *("errors", "model", "integer", "integer_step", "arithmetic", "cells", "reference"),
        "edge_lstm_calibration",
    ),
}
"""A module or package → what of this project it may import. Those not listed are the outer layers."""

PROGRAMS = {"edge_lstm_export.linux.edge_lstm_shim"}
"""Runs on a board by itself and imports nothing of ours."""

BASE = {"numpy", "safetensors"}
"""What modules may import from outside at import time; the command line adds click."""


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found.append((".".join([package, *(p for p in parts if p != "__init__")]), path))
    return found


def imports(path: Path, top_level_only: bool) -> set[str]:
    """Modules a file imports; TYPE_CHECKING blocks run nothing and do not count."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def rule_of(module: str) -> tuple[str, tuple[str, ...]]:
    """The layer a module is in and what that layer may import; the outer layers have no name and no rule."""
    return next(((rule, allowed) for rule, allowed in RULES.items() if within(module, rule)), ("", ()))


def test_a_module_imports_only_what_its_layer_may() -> None:
    """The broken rule is quoted."""
    broken = []
    for module, path in modules():
        layer, allowed = rule_of(module)
        full = [a if a.startswith("edge_lstm") else f"edge_lstm.{a}" for a in allowed]
        ours = {n for n in imports(path, top_level_only=False) if n.split(".")[0] in PACKAGES and n not in PACKAGES}
        bad = sorted(n for n in ours if layer and not any(within(n, a) for a in full))
        broken += [f"{module} imports {n}; {layer} may import {', '.join(allowed) or 'nothing of ours'}" for n in bad]
    assert broken == []


def test_nothing_outside_the_base_install_is_imported_at_import_time() -> None:
    """TensorFlow, onnx and friends load inside the function that needs them; the core needs NumPy alone."""
    stray = []
    for module, path in modules():
        allowed = BASE | ({"click"} if within(module, "edge_lstm.cli") else set())
        outside = (
            {n.split(".")[0] for n in imports(path, top_level_only=True)} - sys.stdlib_module_names - set(PACKAGES)
        )
        stray += [f"{module} imports {name} at import time" for name in sorted(outside - allowed)]
    assert stray == []


def test_nobody_imports_the_command_line() -> None:
    """cli → anyone; nobody → cli."""
    outside = [(module, path) for module, path in modules() if not within(module, "edge_lstm.cli")]
    users = [m for m, path in outside if any(within(n, "edge_lstm.cli") for n in imports(path, top_level_only=False))]
    assert users == []


def test_every_package_is_in_the_wheel() -> None:
    """A folder with Python in it that pyproject.toml does not name would be missing after an install."""
    named = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {m if p.name == "__init__.py" else m.rpartition(".")[0] for m, p in modules()}
    assert found | {"edge_lstm.boards"} == named


def test_only_the_command_line_prints() -> None:
    """The library raises and returns; a program that a bundle carries is no part of it."""
    printing = [
        module
        for module, path in modules()
        if not within(module, "edge_lstm.cli")
        and module not in PROGRAMS
        and any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
            for n in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert printing == []
