"""What a model takes of a board, and whether the board has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_lstm.board import Board
from edge_lstm.errors import ExportError

FLASH_PARTS = ("weights and rows", "kernels", "sigmoid table", "driver", "codec", "names", "compiler's library")
RAM_PARTS = ("state", "scratch", "sample", "other")


@dataclass(frozen=True)
class Footprint:
    """Memory in bytes, and the work of a step.

    Args:
        flash: by ``FLASH_PARTS``.
        ram: static, by ``RAM_PARTS``; other are constants, where a core cannot read them from flash like variables.
        stack_bytes: the most that a step has on it; None where no emulator could tell.
        count: instructions or cycles of a whole step, head included; None as before.
        unit: ``instructions`` or ``cycles``.
    """

    flash: Mapping[str, int]
    ram: Mapping[str, int]
    stack_bytes: int | None = None
    count: int | None = None
    unit: str = ""

    @property
    def flash_bytes(self) -> int:
        return sum(self.flash.values())

    @property
    def ram_bytes(self) -> int:
        """Static memory and stack."""
        return sum(self.ram.values()) + (self.stack_bytes or 0)


@dataclass(frozen=True)
class OnBoard:
    """A footprint beside what a board has.

    Args:
        units: of each layer.
        rate_hz: samples a second that the model is made for; None where nobody said.
    """

    board: Board
    units: tuple[int, ...]
    footprint: Footprint
    rate_hz: float | None

    @property
    def cycles(self) -> int | None:
        """Of a step: counted, or estimated from instructions; None where neither can be."""
        count, estimate = self.footprint.count, self.board.core.estimate
        if count is None or self.footprint.unit == "cycles":
            return count
        return None if estimate is None else round(count * estimate.cycles_per_instruction)

    @property
    def seconds(self) -> float | None:
        """Of a step at the board's clock."""
        return None if self.cycles is None or self.board.clock_hz is None else self.cycles / self.board.clock_hz

    @property
    def keeps_up(self) -> bool | None:
        """Whether a step ends before the next sample comes; None where time or rate are not known."""
        return None if self.seconds is None or self.rate_hz is None else self.seconds * self.rate_hz <= 1

    @property
    def headroom(self) -> dict[str, int]:
        """Bytes left of flash and RAM, negative where they are over; empty under an operating system."""
        both = (
            ("flash", self.board.flash, self.footprint.flash_bytes),
            ("ram", self.board.ram, self.footprint.ram_bytes),
        )
        return {name: memory.free - used for name, memory, used in both if memory is not None}

    @property
    def fits(self) -> bool:
        return all(left >= 0 for left in self.headroom.values())

    def require_fit(self, largest: int | None) -> None:
        """Refuse a model that the board has no room for.

        Args:
            largest: units a layer that would fit; None if that is not known.

        Raises:
            ExportError: naming the bytes it is over, and ``largest``.
        """
        if self.fits:
            return
        over = " and ".join(f"{-left:,} bytes of {name}" for name, left in self.headroom.items() if left < 0)
        asked = ", ".join(map(str, self.units))
        fitting = "not one unit fits" if largest == 0 else f"the largest that fits is {largest} units a layer"
        advice = "take fewer units" if largest is None else fitting
        raise ExportError(f"{self.board.name}: a model of {asked} units is over by {over}; {advice}")

    def to_json(self) -> dict[str, Any]:
        """Without what is not known."""
        values = {
            "board": self.board.name,
            "core": self.board.core.name,
            "kernels": self.board.core.kernels,
            "accelerator": self.board.accelerator or None,
            "units": list(self.units),
            "flash": {"total": self.footprint.flash_bytes, **self.footprint.flash},
            "ram": {"total": self.footprint.ram_bytes, **self.footprint.ram, "stack": self.footprint.stack_bytes},
            "headroom": self.headroom,
            "count": self.footprint.count,
            "unit": self.footprint.unit or None,
            "cycles": self.cycles,
            "cycles_are": self._origin_of_cycles(),
            "milliseconds": None if self.seconds is None else 1e3 * self.seconds,
            "steps_per_second": None if self.seconds is None else 1 / self.seconds,
            "rate_hz": self.rate_hz,
            "keeps_up": self.keeps_up,
        }
        return {key: value for key, value in values.items() if value is not None}

    def _origin_of_cycles(self) -> str | None:
        if self.cycles is None:
            return None
        estimate = self.board.core.estimate
        if self.footprint.unit == "cycles" or estimate is None:
            return "counted"
        return f"estimated, {estimate.cycles_per_instruction} an instruction: {estimate.source}"
