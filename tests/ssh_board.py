"""A board that SSH reaches: OpenSSH's own server on loopback, with a home, keys and known hosts of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"

USER = "edge-lstm-board"
"""A user without rights, for what root may do and others may not."""


@dataclass(frozen=True)
class SshBoard:
    """A running server.

    Args:
        folder: of its keys and known hosts.
        home: of whoever logs in.
        user: who logs in.
    """

    folder: Path
    home: Path
    port: int
    user: str = "root"

    @property
    def target(self) -> str:
        return f"{self.user}@127.0.0.1"

    def options(self, port: int | None = None) -> list[str]:
        """What the command line needs to reach it; ``port`` is of a proxy in between."""
        given = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "HostKeyAlias": "board",
        }
        options = [text for key, value in given.items() for text in ("--ssh-option", f"{key}={value}")]
        connection = ["--port", str(port or self.port), "--identity", str(self.folder / "key")]
        return ["--ssh-config", "/dev/null", *connection, *options]


@contextlib.contextmanager
def ssh_board(
    folder: Path, user: str = "root", path: str | None = None, root: Path | None = None
) -> Iterator[SshBoard]:
    """Serve until the block ends.

    Args:
        folder: made for its keys and its home.
        user: who may log in.
        path: the PATH of whoever does.
        root: of the file system that a session is locked into; its home is ``/root`` there.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    port = free_port()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "known_hosts").write_text(f"board {(folder / 'host.pub').read_text()}")
    Path("/run/sshd").mkdir(exist_ok=True)
    environment = f"HOME={'/root' if root else home}" + (f" PATH={path}" if path else "")
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "key.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "SetEnv": environment,
        "UseDNS": "no",
        **({"ChrootDirectory": root} if root else {}),
    }
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    with (folder / "log").open("wb") as log:
        command = [SSHD, "-D", "-e", "-f", folder / "sshd_config"]
        server = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(port, server, folder / "log")
        yield SshBoard(folder, home, port, user)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@contextlib.contextmanager
def plain_user(home: Path) -> Iterator[str]:
    """A user without rights, for as long as the block lasts."""
    made = ["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", "--home-dir", home, USER]
    subprocess.run(made, check=True)
    try:
        # Without a password, and not locked: sshd refuses a locked user.
        subprocess.run(["usermod", "--password", "*", USER], check=True)
        yield USER
    finally:
        subprocess.run(["userdel", "--force", USER], check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")
