"""Keys, and the files by which an SSH client knows a board and a board its client."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"


def make_keys(folder: Path) -> None:
    """``key`` is the client's, ``host_key`` the board's, each with its ``.pub``."""
    for name in ("key", "host_key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def client_settings(folder: Path, name: str, port: int, user: str) -> dict[str, object]:
    """Of an SSH client: nothing of the user's own is read, and no unknown host is believed."""
    write_known_host(folder / "known_hosts", name, folder / "host_key.pub")
    return {
        "HostName": HOST,
        "HostKeyAlias": name,
        "Port": port,
        "User": user,
        "IdentityFile": folder / "key",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": folder / "known_hosts",
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 20,
    }


def write_known_host(file: Path, name: str, public_key: Path) -> None:
    """By name, whatever port leads there."""
    kind, key, *_ = public_key.read_text().split()
    file.write_text(f"{name} {kind} {key}\n")


def write_client_config(file: Path, name: str, settings: Mapping[str, object]) -> Path:
    """For ``ssh -F``, under the board's name."""
    lines = [f"    {key} {value}" for key, value in settings.items()]
    file.write_text("\n".join([f"Host {name}", *lines]) + "\n")
    return file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(port: int, seconds: float) -> bool:
    """Whether an SSH server greets there within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection((HOST, port), timeout=5) as link:
                if link.recv(4) == b"SSH-":
                    return True
        except OSError:
            time.sleep(0.02)
    return False
