"""Which architecture a computer is: what decides between the programs that a bundle holds."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from edge_lstm.architecture import ARCHITECTURES, architecture_of, features_of, this_architecture

PI_4_IN_32_BITS = """processor\t: 0
model name\t: ARMv7 Processor rev 3 (v7l)
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32
CPU part\t: 0xd08

Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""
TEGRA_2 = "Features\t: swp half thumb fastmult vfp edsp vfpv3 vfpv3d16\n"


@pytest.mark.parametrize(
    ("machine", "bits", "features", "architecture"),
    [
        ("x86_64", 64, "", "x86_64"),
        ("AMD64", 64, "", "x86_64"),
        ("x86_64", 32, "", None),
        ("i686", 32, "", None),
        ("aarch64", 64, "", "aarch64"),
        ("arm64", 64, "", "aarch64"),
        ("aarch64", 32, "", "armv7l"),
        ("armv8l", 32, "", "armv7l"),
        ("armv7l", 32, PI_4_IN_32_BITS, "armv7l"),
        ("armv7l", 32, "Features : fp asimd evtstrm crc32\n", "armv7l"),
        ("armv7l", 32, TEGRA_2, "armv6l"),
        ("armv7l", 32, "", "armv6l"),
        ("armv6l", 32, "Features\t: half thumb fastmult vfp edsp java tls\n", "armv6l"),
        ("armv5tel", 32, "", None),
        ("riscv64", 64, "", None),
        ("", 64, "", None),
    ],
)
def test_the_architecture_is_that_of_the_process(machine, bits, features, architecture):
    """A kernel of 64 bits may run a Python of 32, and an ARMv7 may lack NEON: it then gets what runs on ARMv6."""
    assert architecture_of(machine, bits, features_of(features)) == architecture
    assert architecture is None or architecture in ARCHITECTURES


def test_this_computer_is_what_uname_says():
    """A Python of 64 bits on a kernel of 64."""
    assert this_architecture() == platform.machine()


def test_it_needs_nothing_but_python():
    """The file alone, without this project and what is installed: it goes to boards that have neither."""
    file = Path(__file__).parents[1] / "edge_lstm" / "architecture.py"
    script = f"import runpy; print(runpy.run_path({str(file)!r})['this_architecture']())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == platform.machine()
