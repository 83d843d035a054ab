"""Which of the architectures that bundles hold programs for a computer is. It needs nothing but Python."""

from __future__ import annotations

import platform
import struct
from collections.abc import Collection
from pathlib import Path

ARCHITECTURES = ("x86_64", "aarch64", "armv7l", "armv6l")
"""As ``uname -m`` says; ``armv7l`` has NEON."""

_NAMES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv8l": "aarch64"}
_NARROW = {"aarch64": "armv7l"}
"""What a program of 32 bits may be where one of 64 could run: every ARMv8-A has NEON in both of its states."""

_NEON = ("neon", "asimd")
"""The kernel's words for it, to a program of 32 and of 64 bits."""

_AT_HWCAP, _HWCAP_NEON = 16, 1 << 12
"""Of ``<elf.h>``, and of 32-bit Arm's ``<asm/hwcap.h>``."""


def architecture_of(machine: str, bits: int, features: Collection[str] = ()) -> str | None:
    """The one of ``ARCHITECTURES`` whose programs run in such a process; None if none does.

    Args:
        machine: ``uname -m``, of the kernel, or Windows' and macOS' word for it.
        bits: of a pointer of the process: Raspberry Pi OS of 32 bits comes with a kernel of 64.
        features: of the processor, see ``features_of``. An ARMv7 that does not name NEON is taken for one without.
    """
    machine = machine.lower()
    if machine in _NAMES:
        wide = _NAMES[machine]
        return wide if bits == 64 else _NARROW.get(wide)
    if machine.startswith("armv7"):
        return "armv7l" if any(word in features for word in _NEON) else "armv6l"
    return "armv6l" if machine.startswith("armv6") else None


def features_of(cpuinfo: str) -> frozenset[str]:
    """The processor's features in a text of ``/proc/cpuinfo``, in the kernel's words."""
    rows = (row.partition(":") for row in cpuinfo.splitlines())
    return frozenset(word for key, _, words in rows if key.strip() in ("Features", "flags") for word in words.split())


def this_architecture() -> str | None:
    """Of the Python that runs this."""
    bits = 8 * struct.calcsize("P")
    features = features_of(_read(Path("/proc/cpuinfo")).decode(errors="replace"))
    # An emulator of user programs shows its host's /proc/cpuinfo; what a process may use is in its auxiliary vector.
    if bits == 32 and _hwcap(_read(Path("/proc/self/auxv"))) & _HWCAP_NEON:
        features |= {"neon"}
    return architecture_of(platform.machine(), bits, features)


def _hwcap(auxiliary: bytes) -> int:
    pair = struct.Struct("@LL")
    whole = len(auxiliary) // pair.size * pair.size
    return next((value for kind, value in pair.iter_unpack(auxiliary[:whole]) if kind == _AT_HWCAP), 0)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # no Linux, or one that hides it
        return b""
