"""What emulators of microcontrollers say of a program: results, counts, stack, and faults."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from board_nets import layout_of
from c_nets import random_codes, random_native

from edge_lstm.board import load_core
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program, qemu, qemu_system
from edge_lstm_export.emulators.base import Layout

MACHINES = {
    "cortex-m0plus": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
}
"""Cores that Unicorn emulates, and a machine of QEMU that runs their programs."""

# All that the harness calls, around a step that sums its inputs and runs one piece of assembly.
MODEL = """
#include <stdint.h>
#define EL_CHANNELS 1
#define EL_OUTPUTS 1
typedef int16_t el_code;
typedef struct { int32_t cell[1]; int16_t hidden[1]; int32_t work[1]; } el_state;
typedef struct { int32_t *cell; int16_t *hidden; int32_t *work; } el_layer_state;
typedef struct el_layer { void (*step)(const struct el_layer *, const el_layer_state *, const el_code *); } el_layer;

static void layer_step(const el_layer *layer, const el_layer_state *state, const el_code *x)
{
    (void)layer;
    __asm__ volatile(ASSEMBLY ::: "r0", "cc", "memory");
    *state->cell += *x;
    *state->hidden = *x;
}

static const el_layer layers[1] = {{layer_step}};
static const struct { const el_layer *layers; } el_model = {layers};

static void el_init(el_state *state) { state->cell[0] = 0; state->hidden[0] = 0; }
static void el_encode(const float *sample, el_code *x) { *x = (el_code)*sample; }
static void el_step(el_state *state, const el_code *x, el_code *y)
{
    const el_layer_state parts = {state->cell, state->hidden, state->work};
    layer_step(layers, &parts, x);
    *y = (el_code)state->cell[0];
}
"""


def on_unicorn(name):
    return load_core(name)


def on_qemu(name):
    return replace(load_core(name), emulator={"name": "qemu-system", "cpu": MACHINES.get(name, "mps3-an547")})


EVERYWHERE = [on_unicorn("cortex-m4"), *map(on_qemu, [*MACHINES, "cortex-m55"])]


def core_id(core):
    return f"{core.name} in {core.emulator['name']}"


def step_of(core, assembly, codes=(1,)):
    """A run of codes, one a step, on the core."""
    sources = {"model.h": f'#define ASSEMBLY "{assembly}"\n{MODEL}'.encode()}
    recordings = [np.array(codes)[:, None]]
    return emulate(core, program(core, sources), Layout(1, 1, (1,), (1,)), recordings, None)


@pytest.mark.parametrize("core", EVERYWHERE, ids=core_id)
def test_a_loop_of_known_length_is_counted_exactly(core):
    """A hundred thousand rounds more are three hundred thousand instructions more."""
    loop = r"ldr r0, =%d\n 1: subs r0, #1\n cmp r0, #0\n bne 1b\n"
    few, many = (step_of(core, loop % rounds) for rounds in (1_000, 101_000))
    assert many.counts[0] - few.counts[0] == 300_000
    assert many.layer_count - few.layer_count == 300_000


def test_a_low_overhead_loop_counts_its_end_every_round():
    loop = r"push {lr}\n movw r0, #%d\n dls lr, r0\n 1: nop\n le lr, 1b\n pop {r0}\n mov lr, r0\n"
    few, many = (step_of(on_qemu("cortex-m55"), loop % rounds).counts[0] for rounds in (5, 45))
    assert many - few == 80


@pytest.mark.parametrize("core", EVERYWHERE, ids=core_id)
def test_the_stack_is_measured_to_the_byte_by_its_paint(core):
    """A frame of 256 bytes more, of which only the lowest word is written, is 256 bytes more."""
    frame = r"sub sp, #%d\n str r0, [sp]\n add sp, #%d\n"
    small, large = (step_of(core, frame % (size, size)).stack_bytes for size in (4, 260))
    assert large - small == 256


@pytest.mark.parametrize("core", EVERYWHERE, ids=core_id)
def test_a_fault_names_emulator_address_and_function_in_one_line(core):
    with pytest.raises(VerificationError) as caught:
        step_of(core, "udf #0")
    line = str(caught.value)
    assert line.startswith(("qemu-system-arm 7", "unicorn 2"))
    assert MACHINES.get(core.name, "mps3-an547") in line or core.name in line
    assert " at 0x" in line
    assert line.split(" in ")[-1] in ("board_step", "el_step", "layer_step")
    assert "\n" not in line


def test_a_coprocessor_that_is_off_is_a_fault_with_a_cause():
    """A program for the FPU on a machine of a core that has none."""
    core = replace(load_core("cortex-m4"), emulator={"name": "qemu-system", "cpu": "mps2-an385"})
    with pytest.raises(VerificationError, match=r"FPU or MVE is missing or off at 0x[0-9a-f]{8} in "):
        step_of(core, "vmov s0, r0")


def test_a_program_that_hangs_is_ended_and_said(monkeypatch):
    monkeypatch.setattr(qemu_system, "SECONDS", 1.0)
    with pytest.raises(VerificationError, match="mps3-an547: the program did not end within 1 s"):
        step_of(on_qemu("cortex-m55"), "1: b 1b")


@pytest.mark.parametrize("core", EVERYWHERE, ids=core_id)
def test_states_and_outputs_are_those_of_every_step(core):
    done = step_of(core, "nop", codes=[5, -3, 300])
    ((hidden, cell),) = done.traces[0].states
    assert done.traces[0].outputs.tolist() == [[5], [2], [302]]
    assert hidden.tolist() == [[5], [-3], [300]]
    assert cell.tolist() == [[5], [2], [302]]
    assert done.unit == "instructions"


@pytest.mark.parametrize("core", [on_unicorn("cortex-m4"), on_qemu("cortex-m4")], ids=core_id)
def test_a_recording_and_a_window_begin_with_zero_state(core):
    sources = {"model.h": f'#define ASSEMBLY "nop"\n{MODEL}'.encode()}
    ones = np.ones((5, 1), int)
    done = emulate(core, program(core, sources), Layout(1, 1, (1,), (1,)), [ones, ones[:2]], 3)
    assert [trace.outputs[:, 0].tolist() for trace in done.traces] == [[1, 2, 3, 1, 2], [1, 2]]
    assert len(done.counts) == 7


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("toolchain", ["zig", "arm-none-eabi-gcc"])
def test_unicorn_and_qemu_agree_on_results_counts_and_stack(name, toolchain):
    """The whole machine, with its start-up code, against the bare core; the portable kernels branch on data."""
    model = random_native(seed=3, features=3, units=[5, 4], outputs=2)
    codes = random_codes(model, 12)
    one, other = (
        emulate(core, program(core, write_c(model), toolchain), layout_of(model), [codes], None)
        for core in (on_unicorn(name), on_qemu(name))
    )
    assert np.array_equal(one.counts, other.counts)
    assert (one.layer_count, one.stack_bytes) == (other.layer_count, other.stack_bytes)
    assert np.array_equal(one.traces[0].outputs, other.traces[0].outputs)
    for (h, c), (k, d) in zip(one.traces[0].states, other.traces[0].states, strict=True):
        assert np.array_equal(h, k)
        assert np.array_equal(c, d)


def test_the_plugin_compiles_with_the_compiler_that_pip_installs(monkeypatch):
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    monkeypatch.setattr(qemu_system, "counter", qemu.counter.__wrapped__)
    assert step_of(on_qemu("cortex-m55"), "nop").counts[0] > 0


def test_without_qemu_the_package_to_install_is_named(monkeypatch):
    core = on_qemu("cortex-m55")
    image = program(core, {"model.h": f'#define ASSEMBLY "nop"\n{MODEL}'.encode()})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="it emulates mps3-an547; apt install qemu-system-arm"):
        emulate(core, image, Layout(1, 1, (1,), (1,)), [np.ones((1, 1), int)], None)
