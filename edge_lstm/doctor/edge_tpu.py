"""A Coral Edge TPU: its library, and the device on its bus."""

from __future__ import annotations

from pathlib import Path

from edge_lstm.doctor.finding import Finding, run_python

EDGE_TPU_LIBRARY = "libedgetpu.so.1"


def edge_tpu_library() -> Finding:
    """Found as the delegate finds it: by the loader."""
    code, said = run_python(f"import ctypes; ctypes.CDLL({EDGE_TPU_LIBRARY!r})")
    if code == 0:
        return Finding(
            "boards", EDGE_TPU_LIBRARY, "ok", "loads", "unchecked: no Edge TPU was at hand when this was written"
        )
    advice = "for an Edge TPU: Coral's Debian package libedgetpu1-std"
    if f"{EDGE_TPU_LIBRARY}: cannot open" in said:
        return Finding("boards", EDGE_TPU_LIBRARY, "missing", "not installed", advice)
    return Finding("boards", EDGE_TPU_LIBRARY, "broken", said, advice)


EDGE_TPU_IDS = {("1a6e", "089a"): "USB, before its first use", ("18d1", "9302"): "USB", ("1ac1", "089a"): "PCIe"}
"""(vendor, product) of Coral's accelerators; the one on USB takes another once its firmware is loaded."""


def edge_tpu_device(sysfs: Path = Path("/sys/bus")) -> Finding:
    """An accelerator that the kernel sees, by what it writes into ``sysfs``."""
    for bus, vendor, product in (("usb", "idVendor", "idProduct"), ("pci", "vendor", "device")):
        for device in sorted((sysfs / bus / "devices").glob("*")):
            kind = EDGE_TPU_IDS.get((_identity(device / vendor), _identity(device / product)))
            if kind:
                return Finding("boards", "Edge TPU", "ok", f"{kind}, {device}", f"needs {EDGE_TPU_LIBRARY}")
    return Finding("boards", "Edge TPU", "missing", "none on USB or PCIe", "plug it in if you have one")


def _identity(file: Path) -> str:
    try:
        return file.read_text().strip().removeprefix("0x")
    except OSError:  # a device without one, or that has just left
        return ""
