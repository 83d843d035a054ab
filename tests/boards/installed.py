"""edge-lstm on a board, as ``pip install edge-lstm`` leaves it there."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from boards import roots
from boards.board import Board

CHECKOUT = Path(__file__).parents[2]
PROGRAM = "#!/usr/bin/python3\nfrom edge_lstm.cli import main\n\nmain()\n"


def install(board: Board) -> None:
    """The packages of this checkout and the program ``edge-lstm``; what they need comes with the wheels ``base``."""
    site = board.root / "usr/local/lib/python3.11/dist-packages"
    table = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, source in sorted(table.items()):
        target = site / package.replace(".", "/")
        shutil.copytree(CHECKOUT / source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    roots.compile_python(board.root, site)
    program = board.root / "usr/local/bin/edge-lstm"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
