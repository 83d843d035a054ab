"""A Linux board behind SSH: how tests speak to it, look into it and hurt it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import tty
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from boards.roots import WHEELS
from boards.secure_shell import client_settings, write_client_config

SECONDS = 120
"""Within which a command must end; an emulated Python alone takes seconds to start."""

DIALOUT = 20
"""Debian's group of whoever may use serial devices."""

UNLOCK_TERMINAL, TERMINAL_NUMBER = 0x40045431, 0x80045430
"""TIOCSPTLCK and TIOCGPTN, which the standard library does not name."""


@dataclass
class Board:
    """A running board. ``folder`` holds ``ssh_config``, which knows the board by its name, and what that needs.

    Args:
        machine: what ``uname -m`` says on it.
        pid: of its first process, as seen from here.
        root_inside: where its file system lies for that process.
        halt: ends it.
    """

    name: str
    machine: str
    host: str
    port: int
    user: str
    folder: Path
    pid: int
    root_inside: str
    halt: Callable[[], None]
    _ballast: Path | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.client("ssh_config")

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F``: ``Host NAME`` with the port, the user, the key and the board's own host key."""
        return self.folder / "ssh_config"

    @property
    def root(self) -> Path:
        """Its file system from outside: what is written here is there at once, whoever may read it."""
        return Path(f"/proc/{self.pid}/root{self.root_inside}")

    @property
    def home(self) -> Path:
        """The user's home from outside."""
        return self.root / "home" / self.user

    def client(self, file: str, **changed: object) -> Path:
        """A configuration as ``ssh_config`` but for some settings, such as ``IdentityFile``, ``Port`` or ``User``."""
        settings = client_settings(self.folder, self.name, self.port, self.user) | changed
        return write_client_config(self.folder / file, self.name, settings)

    def ssh(self, command: str) -> list[str]:
        """The words that run a command on the board."""
        return ["ssh", "-F", str(self.ssh_config), self.name, command]

    def run(
        self, command: str, stdin: str | None = None, check: bool = True, timeout: float = SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the board's shell to its end.

        Raises:
            AssertionError: if ``check`` and it fails; the message holds what it said.
        """
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(self.ssh(command), capture_output=True, text=True, check=False, timeout=timeout, **given)
        if check:
            assert done.returncode == 0, f"{command!r} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """A command with pipes to it. Its SSH client ends with the block, which hangs up on the board."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(self.ssh(command), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        try:
            yield process
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.communicate()

    def put(self, *sources: Path, to: str) -> None:
        """Copy files or folders by scp."""
        words = ["scp", "-q", "-r", "-F", str(self.ssh_config), *map(str, sources), f"{self.name}:{to}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)
        assert done.returncode == 0, done.stderr

    def use(self, *wheels: str) -> None:
        """Let its Python find exactly these sets of wheels, of ``base``, ``tflite-runtime`` and ``litert``."""
        missing = [name for name in wheels if not (self.root / WHEELS / name).is_dir()]
        assert not missing, f"{self.name} has no wheels {missing}"
        listed = "".join(f"/{WHEELS}/{name}\n" for name in wheels)
        (self.root / "usr/lib/python3/dist-packages/edge-lstm-wheels.pth").write_text(listed)

    def processes(self, pattern: str) -> dict[int, list[str]]:
        """Processes of the board whose command line matches: number, as seen from here, → its words on the board."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if _namespace(folder.name, "pid") == _namespace(self.pid, "pid"):
                    line = (folder / "cmdline").read_text(errors="replace").rstrip("\0")
                    words = _without_emulator(line.split("\0"))
                    if re.search(pattern, " ".join(words)):
                        found[int(folder.name)] = words
        return found

    def kill(self, pattern: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the matching processes; how many there were."""
        found = self.processes(pattern)
        for process in found:
            os.kill(process, number)
        return len(found)

    def fill_disk(self, free: int = 0) -> None:
        """Leave so many bytes."""
        self.free_disk()
        self._ballast = self.root / "var/ballast"
        about = os.statvfs(self.root)
        taken = about.f_bavail * about.f_frsize - free
        assert taken > 0, f"{self.name} has less than {free} bytes free as it is"
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, taken)

    def free_disk(self) -> None:
        if self._ballast is not None:
            self._ballast.unlink()
            self._ballast = None

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Its disk takes no writing while the block lasts."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, how: str) -> None:
        self.enter(["mount", "-o", f"remount,bind,{how}", self.root_inside or "/"])

    def enter(self, words: Sequence[str]) -> str:
        """Run a program of this machine, with its rights, among the board's mounts."""
        users = [] if _namespace(self.pid, "user") == _namespace("self", "user") else ["--user"]
        entered = ["nsenter", "--target", str(self.pid), "--mount", *users, *words]
        return subprocess.run(entered, check=True, capture_output=True, text=True).stdout

    @contextlib.contextmanager
    def serial_line(self, path: str = "/dev/ttyUSB0") -> Iterator[BinaryIO]:
        """The far end of a serial device, raw and unbuffered; closing it, or the end of the block, unplugs it."""
        far = os.open(self.root / "dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(far, UNLOCK_TERMINAL, struct.pack("i", 0))
        (number,) = struct.unpack("i", fcntl.ioctl(far, TERMINAL_NUMBER, bytes(4)))
        near, device = self.root / "dev/pts" / str(number), self.root / path.lstrip("/")
        os.chown(near, 0, DIALOUT)
        near.chmod(0o660)
        held = os.open(near, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(held)
        os.close(held)
        device.symlink_to(f"/dev/pts/{number}")
        try:
            with os.fdopen(far, "r+b", buffering=0) as line:
                yield line
        finally:
            device.unlink()

    def stop(self) -> None:
        """End it at once, as if its power failed: no process and no mount of it remains."""
        halt, self.halt = self.halt, lambda: None
        halt()


def _namespace(process: int | str, kind: str) -> Path:
    return Path(f"/proc/{process}/ns/{kind}").readlink()


def _without_emulator(words: list[str]) -> list[str]:
    """``qemu -cpu CPU -0 NAME FILE argument…`` is ``NAME argument…`` to the board."""
    return [words[4], *words[6:]] if len(words) > 5 and words[1:4:2] == ["-cpu", "-0"] else words
