"""What a deploy takes over a real SSH server on loopback, to this computer as the board.

    python bench/deploy_time.py BUNDLE

Each deploy is a process of its own, to a new place: connect, probe, send, verify, self-test, switch. Needs root, as
sshd does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from ssh_board import ssh_board

ROUNDS = 7
PROGRAM = Path(sys.executable).with_name("edge-lstm")


def main(bundle: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as name, ssh_board(Path(name) / "board") as board:
        whole, inside = [], []
        for k in range(ROUNDS):
            words = ["deploy", bundle, board.target, *board.options(), "--path", f"{name}/{k}", "--json", "-q"]
            began = time.perf_counter()
            done = subprocess.run([PROGRAM, *words], check=True, capture_output=True, text=True)
            whole.append(time.perf_counter() - began)
            made = json.loads(done.stdout)
            inside.append(made["seconds"])
    size = sum(made["copied"].values())
    print(f"{machine()}\n{bundle}: {len(made['copied'])} files, {size:,} B onto {made['arch']}; median of {ROUNDS}")
    print(f"deploy {median(inside):.2f} s, its process {median(whole):.2f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
