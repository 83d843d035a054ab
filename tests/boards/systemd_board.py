"""A board that boots: this machine's processor, with systemd as its first process and an SSH server as its service.

    python tests/boards/systemd_board.py

starts one and says how to reach it, until Enter. Needs root and systemd-nspawn.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from boards import kernel, roots, systemd_inside
from boards.board import Board
from boards.secure_shell import HOST, answers, free_port, make_keys

NAME = "board-systemd"
DISK = 256 << 20
SECONDS = 60
"""Within which it boots."""

SERVER = """\
Port {port}
ListenAddress {host}
HostKey /etc/ssh/board_host_key
AuthorizedKeysFile /etc/ssh/board_authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 100
MaxSessions 100
"""

JOURNAL = "[Journal]\nStorage=volatile\n"
"""A file that is open for writing would keep the disk from becoming read-only."""


def start(wheels: tuple[str, ...] = ("base",), disk: int = DISK) -> Board:
    """A board fresh from its root; the key opens it to ``pi``, who may sudo without a password, and to ``root``.

    Raises:
        RuntimeError: if it does not boot; the message holds its console.
    """
    kernel.require_root()
    _remove_cgroups_of_the_killed()
    root = roots.root("amd64")
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    make_keys(folder)
    port = free_port()
    spec = {
        "hostname": NAME,
        "root": str(root),
        "disk": disk,
        "files": {
            "etc/ssh/sshd_config.d/board.conf": (0o644, SERVER.format(port=port, host=HOST)),
            "etc/ssh/board_host_key": (0o600, (folder / "host_key").read_text()),
            "etc/ssh/board_authorized_keys": (0o644, (folder / "key.pub").read_text()),
            "etc/systemd/journald.conf.d/board.conf": (0o644, JOURNAL),
            "etc/hostname": (0o644, f"{NAME}\n"),
            "etc/hosts": (0o644, f"127.0.0.1 localhost {NAME}\n"),
        },
    }
    with (folder / "console").open("wb") as console:
        words = [sys.executable, systemd_inside.__file__]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=console, stderr=console, text=True)
    process.stdin.write(json.dumps(spec) + "\n")
    process.stdin.close()
    if not answers(port, SECONDS):
        process.kill()
        process.wait()
        raise RuntimeError(f"{NAME} does not answer: {(folder / 'console').read_text()}")
    pid = _first_process(process.pid)

    def halt() -> None:
        os.kill(pid, signal.SIGKILL)
        process.wait(timeout=20)
        _remove_cgroups(process.pid)
        shutil.rmtree(folder)

    board = Board(NAME, roots.RECIPES["amd64"].machine, HOST, port, "pi", folder, pid, "", halt)
    board.use(*wheels)
    return board


def _remove_cgroups(container: int) -> None:
    for cgroup in systemd_inside.cgroups(NAME, container):
        for inner, _, _ in os.walk(cgroup, topdown=False):
            Path(inner).rmdir()


def _remove_cgroups_of_the_killed() -> None:
    """Of boards whose starter could not stop them."""
    for left in systemd_inside.CGROUPS.glob(f"*/{NAME}-*"):
        container = int(left.name.rpartition("-")[2])
        if not Path(f"/proc/{container}").exists():
            with contextlib.suppress(OSError):  # somebody else does the same
                _remove_cgroups(container)


def _first_process(container: int) -> int:
    """Of the container: the child that is number 1 in there."""
    children = Path(f"/proc/{container}/task/{container}/children").read_text().split()
    return next(int(child) for child in children if _number_inside(child) == "1")


def _number_inside(pid: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))


def main() -> None:
    began = time.monotonic()
    board = start()
    print(f"booted in {time.monotonic() - began:.1f} s")
    try:
        input(f"ssh -F {board.ssh_config} {board.name}\nits files: {board.root}\nEnter ends it. ")
    finally:
        board.stop()


if __name__ == "__main__":
    main()
