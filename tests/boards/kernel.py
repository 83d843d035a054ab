"""The few calls to Linux that boards are made of and Python 3.11 lacks."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

NEW_MOUNTS, NEW_UTS, NEW_IPC, NEW_USERS, NEW_PIDS = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000
"""CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID."""

BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
"""MS_BIND, MS_REC, MS_PRIVATE."""

_libc = ctypes.CDLL(None, use_errno=True)


def require_root() -> None:
    if os.geteuid() != 0:
        raise RuntimeError("a board is made of mounts and namespaces, which takes root; run this as root")


def unshare(kinds: int) -> None:
    _checked(_libc.unshare(kinds), "unshare")


def mount(what: str | Path, where: str | Path, kind: str = "", options: str = "", flags: int = 0) -> None:
    words = (str(word).encode() for word in (what, where, kind))
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {what} on {where}")


def set_hostname(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def own_mounts() -> None:
    """What is mounted from here on is seen by this process and its children alone, and ends with them."""
    unshare(NEW_MOUNTS)
    mount("none", "/", flags=RECURSIVE | PRIVATE)


def copy_on_write(root: Path, disk: Path, size: int) -> Path:
    """A file system that begins as ``root`` and keeps what changes in memory, at most ``size`` bytes.

    Args:
        disk: an empty folder, on which the changes are mounted; the file system is in it.
    """
    mount("board", disk, "tmpfs", f"size={size},mode=755")
    merged, upper, work = (disk / name for name in ("root", "upper", "work"))
    for folder in (merged, upper, work):
        folder.mkdir()
    # Marks of deleted files go into attributes that need no privilege, since this may be a user namespace.
    mount("board", merged, "overlay", f"lowerdir={root},upperdir={upper},workdir={work},userxattr")
    return merged


def end_with_parent() -> None:
    """The kernel terminates this process when its parent is gone, also when that is killed."""
    _checked(_libc.prctl(1, signal.SIGTERM), "prctl")
