"""The Ethos-U configurations Vela knows, and the memory system each is compiled and estimated for."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lstm.errors import ProjectError

MEMORY_MODE = "Shared_Sram"
"""Constants stay in flash and the arena lies in one SRAM: what a microcontroller has. Vela's own choice for the larger
parts, a dedicated SRAM beside a DRAM, would ask the firmware for a second arena."""

_SYSTEMS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", (32, 64, 128, 256)),
    "ethos-u65": ("Ethos_U65_Embedded", (256, 512)),
    "ethos-u85": ("Ethos_U85_SYS_Flash_High", (128, 256, 512, 1024, 2048)),
}
"""Family → its system in ``Arm/vela.ini``, Vela's own file: 500 MHz and flash of 0.5 GB/s in all three, so that their
estimates compare; and the sizes it is made in, in multiply-accumulates a cycle."""


@dataclass(frozen=True)
class Npu:
    """One configuration.

    Args:
        name: Vela's, such as ``ethos-u55-128``: family and multiply-accumulates a cycle.
        system: clock and memories, by their name in ``Arm/vela.ini``.
    """

    name: str
    system: str


NPUS = {
    f"{family}-{macs}": Npu(f"{family}-{macs}", system)
    for family, (system, sizes) in _SYSTEMS.items()
    for macs in sizes
}


def find_npu(name: str) -> Npu:
    """The configuration of that name.

    Raises:
        ProjectError: if there is none.
    """
    if name not in NPUS:
        raise ProjectError(f"npu {name!r} is not known; choose from {', '.join(NPUS)}")
    return NPUS[name]
