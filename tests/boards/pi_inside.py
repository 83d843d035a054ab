"""The inside of an emulated Raspberry Pi: a process that becomes one. Started by ``emulated_pi.py``.

The first line of stdin says what to be, in JSON. It makes namespaces of its own (users, mounts, processes, host name),
in which the kernel runs programs of the board's processor through QEMU, and a file system that begins as the cached
root. The SSH server is this machine's own; a session is locked into that file system. Nothing outside changes, and all
of it ends when stdin ends, or with this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from boards import kernel

DISK = Path("/srv")
"""A folder that only root may change all the way up, as the SSH server demands of what it locks sessions into."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
QEMU = "run/qemu"


def main(spec: dict[str, Any]) -> None:
    kernel.unshare(kernel.NEW_USERS | kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_UTS | kernel.NEW_IPC)
    _say("unshared")
    sys.stdin.readline()  # whoever started this maps the users meanwhile
    os.setgid(0)
    os.setuid(0)
    child = os.fork()
    if child:
        _say(str(child))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    _become(spec)


def _become(spec: dict[str, Any]) -> None:
    """The first process of the board; the others end with it."""
    kernel.mount("none", "/", flags=kernel.RECURSIVE | kernel.PRIVATE)
    kernel.set_hostname(spec["hostname"])
    root = kernel.copy_on_write(Path(spec["root"]), DISK, spec["disk"])
    _mount_what_linux_has(root, spec)
    _let_the_kernel_run(spec)
    _give_accounts(root)
    (DISK / "authorized_keys").write_text(spec["authorised"])
    server = os.posix_spawn("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", *spec["sshd"]], {"PATH": "/usr/sbin:/usr/bin"})
    signal.signal(signal.SIGCHLD, _reaper(server))
    _say("started")
    while os.read(0, 1):
        pass


def _reaper(server: int) -> Any:
    """The first process inherits orphans, and must bury them."""

    def reap(number: int, frame: FrameType | None) -> None:
        while True:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if ended == server:
                os._exit(1)
            if ended == 0:
                return

    return reap


def _mount_what_linux_has(root: Path, spec: dict[str, Any]) -> None:
    for name in ("proc", "dev", "run"):
        (root / name).mkdir(exist_ok=True)
    kernel.mount("proc", root / "proc", "proc")
    _show(spec["cpuinfo"], root / "proc/cpuinfo")
    kernel.mount("dev", root / "dev", "tmpfs", "mode=755,size=64k")
    kernel.mount("run", root / "run", "tmpfs", "mode=755,size=16m")
    for device in DEVICES:
        (root / "dev" / device).touch()
        kernel.mount(f"/dev/{device}", root / "dev" / device, flags=kernel.BIND)
    for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (root / "dev" / name).symlink_to(target)
    (root / "dev/shm").mkdir()
    kernel.mount("shm", root / "dev/shm", "tmpfs", "mode=1777,size=16m")
    _give_terminals(root)
    for path, content in spec["files"].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def _give_terminals(root: Path) -> None:
    """The same terminals inside as where the server opens them, and none of this machine's."""
    (root / "dev/pts").mkdir()
    kernel.mount("pts", root / "dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=620,gid=5")
    kernel.mount(root / "dev/pts", "/dev/pts", flags=kernel.BIND)
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    kernel.mount("/dev/pts/ptmx", "/dev/ptmx", flags=kernel.BIND)


def _show(content: str, where: Path) -> None:
    """Lay a file over what is there."""
    source = DISK / where.name
    source.write_text(content)
    kernel.mount(source, where, flags=kernel.BIND)


def _let_the_kernel_run(spec: dict[str, Any]) -> None:
    """Programs of the board's processor, anywhere in these namespaces; Linux 6.7 keeps such rules by user namespace."""
    rules = DISK / "binfmt"
    rules.mkdir()
    kernel.mount("binfmt_misc", rules, "binfmt_misc")
    qemu = DISK / "root" / QEMU
    qemu.touch()
    kernel.mount(spec["qemu"], qemu, flags=kernel.BIND)
    (rules / "register").write_bytes(spec["rule"].encode("latin-1"))


def _give_accounts(root: Path) -> None:
    """The server knows the board's users, and not this machine's."""
    # The whole folder: a mount on /etc/passwd alone is gone once this machine adds a user, which replaces the file.
    kernel.mount(root / "etc", "/etc", flags=kernel.BIND)
    kernel.mount("run", "/run", "tmpfs", "mode=755,size=1m")
    Path("/run/sshd").mkdir()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
