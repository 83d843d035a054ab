"""The architectures of Linux that a bundle is compiled for: one row each."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lstm.errors import ExportError


@dataclass(frozen=True)
class Architecture:
    """An architecture.

    Args:
        kernels: the set that suits every processor of it; those that can do more are asked at run time.
        flags: of zig: target, processor, optimisation. The processor is the least of the architecture.
        boards: some that have it, for people.
        emulator: what runs its programs elsewhere: the least processor again.
    """

    kernels: str
    flags: tuple[str, ...]
    boards: str
    emulator: tuple[str, ...]


ARCHITECTURES: dict[str, Architecture] = {
    # Without -mcpu, zig takes the baseline of a target that is named: x86-64-v1, and armv8-a without dot products.
    "x86_64": Architecture("x86", ("-target", "x86_64-linux-musl", "-O3"), "PC", ("qemu-x86_64",)),
    "aarch64": Architecture(
        "neon",
        ("-target", "aarch64-linux-musl", "-O2"),
        "Raspberry Pi 3 to 5, Zero 2 W; Coral Dev Board",
        ("qemu-aarch64", "-cpu", "cortex-a53"),
    ),
    "armv7l": Architecture(
        "neon32",
        ("-target", "arm-linux-musleabihf", "-mcpu=cortex_a7", "-O2"),
        "Raspberry Pi 2 to 4 with a 32-bit system",
        ("qemu-arm", "-cpu", "cortex-a7"),
    ),
    "armv6l": Architecture(
        "portable",
        ("-target", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s", "-O2"),
        "Raspberry Pi 1 and Zero",
        ("qemu-arm", "-cpu", "arm1176"),
    ),
}
"""As ``uname -m`` names them."""


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        ExportError: if there is none.
    """
    if name not in ARCHITECTURES:
        raise ExportError(f"architecture {name!r} is not known; choose from {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
