"""This computer itself: its Python and platform, and on a board what a stream there hangs on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from edge_lstm.architecture import ARCHITECTURES, this_architecture
from edge_lstm.doctor.finding import Finding
from edge_lstm.doctor.packages import Here

OLDEST_PYTHON = (3, 11)
ROOT = Path("/")


def python() -> Finding:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("base", "Python", "broken", found, "edge-lstm needs 3.11 or newer")
    return Finding("base", "Python", "ok", found)


def system(here: Here) -> Finding:
    architecture = this_architecture()
    if architecture is None:
        advice = f"bundles hold programs for {', '.join(ARCHITECTURES)} alone; the back end reference runs here"
        return Finding("base", "platform", "ok", str(here), advice)
    return Finding("base", "platform", "ok", f"{here}, takes a bundle's programs for {architecture}")


def service_manager(root: Path = ROOT) -> Finding:
    """As sd_booted(3) asks for it: a unit is of use only where systemd runs."""
    if not (root / "run/systemd/system").is_dir():
        return Finding("here", "systemd", "missing", "does not run here", "for services: start the stream another way")
    journal = (root / "run/systemd/journal/socket").exists()
    return Finding("here", "systemd", "ok", f"runs, {'with' if journal else 'without'} a journal")


PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*")


def serial_ports(root: Path = ROOT) -> Finding:
    """Those of this computer that a sensor may be at, and whether this user may open them."""
    ports = sorted(port for pattern in PORTS for port in (root / "dev").glob(pattern))
    if not ports:
        return Finding("here", "serial ports", "missing", "none", "plug a sensor or a board in if you have one")
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if closed:
        who = f"{', '.join(map(str, closed))} cannot be opened by this user"
        return Finding("here", "serial ports", "missing", who, "sudo usermod -aG dialout $USER, and log in again")
    return Finding("here", "serial ports", "ok", ", ".join(map(str, ports)))


THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
_TROUBLES = ("under-voltage", "its clock is capped", "it is throttled", "it is too hot")
"""Bits 0 to 3 of the Raspberry Pi firmware's answer for now; bits 16 to 19 for once since the start."""


def throttling(root: Path = ROOT) -> Finding | None:
    """What a Raspberry Pi's firmware says of its power and heat; None elsewhere."""
    try:
        bits = int((root / THROTTLED).read_text(), 16)
    except (OSError, ValueError):
        return None
    now, before = (
        ", ".join(words for bit, words in enumerate(_TROUBLES) if bits >> shift & 1 << bit) for shift in (0, 16)
    )
    advice = "steps take longer than they should: use a stronger power supply, or cool it"
    if now:
        return Finding("here", "power", "broken", f"now: {now}", advice)
    if before:
        return Finding("here", "power", "ok", f"good now; since the start: {before}", advice)
    return Finding("here", "power", "ok", "neither under-voltage nor throttling since the start")


GOVERNOR = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


def governor(root: Path = ROOT) -> Finding | None:
    """Who sets the processor's clock; None where nobody says."""
    try:
        name = (root / GOVERNOR).read_text().strip()
    except OSError:
        return None
    if name == "performance":
        return Finding("here", "CPU governor", "ok", name)
    advice = f"a step after a pause is slower than those in a row; against it: echo performance | sudo tee /{GOVERNOR}"
    return Finding("here", "CPU governor", "ok", name, advice)


CHECKS: tuple[Callable[[], Finding | None], ...] = (service_manager, serial_ports, throttling, governor)
