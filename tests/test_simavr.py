"""What the emulator of AVR says of a program: cycles by the manual, stack, faults, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_lstm.board import load_core
from edge_lstm.errors import ExportError, MissingDependencyError, VerificationError
from edge_lstm_export.emulators.simavr import SimavrDevice, compile_runner
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build

SCRIPT = "bare_atmega328p.ld"

PROBE = """
#include <stdint.h>
#define PROBE(name) __attribute__((used, noinline, naked, section(".text.board"))) void name(void)
volatile uint8_t memory[{bytes}];
PROBE(probe) {{ __asm__ volatile("{assembly}\\n ret"); }}
PROBE(keeper) {{ __asm__ volatile("lds r18, memory"); }}
"""

# AVR Instruction Set Manual DS40002198, table 5-3 and on, column AVRe; an ATmega328P has AVRe+ (multiplies).
CYCLES = {
    "": 0,
    "nop": 1,
    "mov r18, r19": 1,
    "movw r18, r20": 1,
    "add r18, r19": 1,
    "adc r18, r19": 1,
    "sbc r18, r18": 1,
    "subi r18, 1": 1,
    "lsl r18": 1,
    "asr r18": 1,
    "ror r18": 1,
    "com r18": 1,
    "ldi r18, 7": 1,
    "mul r18, r19": 2,
    "mulsu r18, r19": 2,
    "adiw r24, 1": 2,
    "sbiw r24, 1": 2,
    "in r18, 0x3d": 1,
    "push r18\\n pop r18": 4,
    "ldi r30, 0\\n ldi r31, 1\\n lpm r18, Z": 5,
    "ldi r30, 0\\n ldi r31, 1\\n lpm r18, Z+": 5,
    "ldi r26, 0\\n ldi r27, 2\\n ld r18, X": 4,
    "ldi r26, 0\\n ldi r27, 2\\n ld r18, X+": 4,
    "ldi r26, 0\\n ldi r27, 2\\n st X+, r18": 4,
    "ldi r30, 0\\n ldi r31, 2\\n ldd r18, Z+3": 4,
    "ldi r30, 0\\n ldi r31, 2\\n std Z+3, r18": 4,
    "rjmp 1f\\n nop\\n 1:": 2,
    "rcall 1f\\n rjmp 2f\\n 1: ret\\n 2:": 3 + 4 + 2,
    "sec\\n brcs 1f\\n nop\\n 1:": 1 + 2,
    "clc\\n brcs 1f\\n nop\\n 1:": 1 + 1 + 1,
    "ldi r18, 1\\n sbrs r18, 0\\n nop": 1 + 2,
    "ldi r18, 0\\n sbrs r18, 0\\n nop": 1 + 1 + 1,
    "ldi r18, 1\\n sbrc r18, 0\\n nop": 1 + 1 + 1,
    "ldi r18, 100\\n 1: dec r18\\n brne 1b": 1 + 100 * 3 - 1,
}
"""Assembly → cycles."""

RET = 4


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simavr") / "runner"
    path.write_bytes(compile_runner())
    path.chmod(0o700)
    return path


def probe(assembly: str, variable_bytes: int = 16) -> Image:
    sources = {"probe.c": PROBE.format(assembly=assembly, bytes=variable_bytes).encode(), **firmware_files(SCRIPT)}
    return Image(build(load_core("avr5"), sources, SCRIPT))


@pytest.mark.parametrize("assembly", CYCLES)
def test_cycles_are_those_of_the_manual(runner, assembly):
    """Twice the same: nothing of a call is left for the next one."""
    with SimavrDevice(probe(assembly), "atmega328p", runner) as device:
        assert [device.call("probe"), device.call("probe")] == [CYCLES[assembly] + RET] * 2


def test_memory_is_written_and_read(runner):
    """Data memory, which the ELF file places 0x800000 further up."""
    with SimavrDevice(probe("lds r18, memory\\n inc r18\\n sts memory+1, r18"), "atmega328p", runner) as device:
        device.write("memory", b"\x29")
        device.call("probe")
        assert device.read("memory", 3) == b"\x29\x2a\x00"


@pytest.mark.parametrize("pushed", [0, 1, 5])
def test_the_stack_is_what_was_written_below_the_top(runner, pushed):
    """Two bytes are the address to return to; pushes of zero are seen."""
    assembly = "\\n".join(["push r1"] * pushed + ["pop r0"] * pushed)
    with SimavrDevice(probe(assembly), "atmega328p", runner) as device:
        assert device.stack_bytes() == 0
        device.call("probe")
        assert device.stack_bytes() == 2 + pushed


def test_a_stack_that_reaches_the_variables_is_refused(runner):
    assembly = "ldi r18, 64\\n 1: push r1\\n dec r18\\n brne 1b\\n ldi r18, 64\\n 2: pop r0\\n dec r18\\n brne 2b"
    with SimavrDevice(probe(assembly, 2000), "atmega328p", runner) as device:
        device.call("probe")
        with pytest.raises(VerificationError, match="all of the 48 bytes"):
            device.stack_bytes()


@pytest.mark.parametrize(
    ("assembly", "message"),
    [
        ("sleep", "a fault at 0x000. in probe"),
        ("ldi r30, 0\\n ldi r31, 0x20\\n ijmp", "a fault at 0x7ffe in probe"),  # into erased memory
        ("push r1", "a fault"),
        ("1: rjmp 1b", "no end after 268,435,45. cycles at 0x0000 in probe"),
    ],
)
def test_a_program_that_goes_wrong_is_refused(runner, assembly, message):
    with SimavrDevice(probe(assembly), "atmega328p", runner) as device, pytest.raises(VerificationError, match=message):
        device.call("probe")


def test_a_processor_that_simavr_does_not_know_is_refused(runner):
    with pytest.raises(VerificationError, match="atmega9: the emulator stopped"):
        SimavrDevice(probe(""), "atmega9", runner)


def test_a_program_beyond_the_memory_is_refused():
    """The line is the linker's own, not its driver's."""
    with pytest.raises(ExportError, match=r"region `RAM' overflowed|will not fit in region `RAM'"):
        probe("", 2049)


def test_a_library_that_is_missing_is_named(monkeypatch):
    """A compiler that finds no headers stands for a computer without them."""
    monkeypatch.setenv("CC", f"{shutil.which('cc')} -nostdinc")
    with pytest.raises(MissingDependencyError, match="apt install libsimavr-dev") as caught:
        compile_runner.__wrapped__()
    assert caught.value.exit_code == 3


def test_a_compiler_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="apt install gcc-avr avr-libc"):
        probe("")
