"""What QEMU says of programs for cores that run Linux: results, counts, stack, faults, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from board_nets import check_core
from c_nets import random_codes, random_native

from edge_lstm.board import load_core
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.emulators import emulate, program, qemu, qemu_user
from edge_lstm_export.emulators.base import BoardRun, Layout

LOOPS = {
    "cortex-a72": r"mov w9, %d\n 1: subs w9, w9, 1\n b.ne 1b",
    "cortex-a7": r"mov r3, #%d\n 1: subs r3, #1\n bne 1b",
    "arm1176": r"mov r3, #%d\n 1: subs r3, #1\n bne 1b",
    "x86-64": r"mov $%d, %%%%ecx\n 1: dec %%%%ecx\n jnz 1b",
}
"""Of two instructions a round, after one."""

FRAMES = {
    "cortex-a72": r"sub sp, sp, #%d\n str x9, [sp]\n add sp, sp, #%d",
    "cortex-a7": r"sub sp, #%d\n str r3, [sp]\n add sp, #%d",
    "arm1176": r"sub sp, #%d\n str r3, [sp]\n add sp, #%d",
    "x86-64": r"sub $%d, %%%%rsp\n movq %%%%rcx, (%%%%rsp)\n add $%d, %%%%rsp",
}

CLOBBERED = {"cortex-a72": '"x9"', "cortex-a7": '"r3"', "arm1176": '"r3"', "x86-64": '"rcx"'}

# All that the harness calls, around a step that sums its inputs and runs one piece of assembly.
MODEL = """
#include <stddef.h>
#include <stdint.h>
#define EL_CHANNELS 1
#define EL_OUTPUTS 1
typedef int16_t el_code;
typedef struct {{ int32_t cell[1]; int16_t hidden[1]; int32_t work[1]; }} el_state;
typedef struct {{ int32_t *cell; int16_t *hidden; int32_t *work; }} el_layer_state;
typedef struct el_layer {{ void (*step)(const struct el_layer *, const el_layer_state *, const el_code *); }} el_layer;

static void layer_step(const el_layer *layer, const el_layer_state *state, const el_code *x)
{{
    (void)layer;
    __asm__ volatile("{assembly}" ::: {clobbered}, "cc", "memory");
    *state->cell += *x;
    *state->hidden = *x;
}}

static const el_layer layers[1] = {{{{layer_step}}}};
static const struct {{ const el_layer *layers; }} el_model = {{layers}};

static void el_init(el_state *state) {{ state->cell[0] = 0; state->hidden[0] = 0; }}
static void el_encode(const float *sample, el_code *x) {{ *x = (el_code)*sample; }}
static void el_step(el_state *state, const el_code *x, el_code *y)
{{
    const el_layer_state parts = {{state->cell, state->hidden, state->work}};
    layer_step(layers, &parts, x);
    *y = (el_code)state->cell[0];
}}
"""


def step_of(name: str, assembly: str, codes: Sequence[int] = (1,), window: int | None = None) -> BoardRun:
    """A run of codes, one a step, on the core."""
    core = load_core(name)
    model = MODEL.format(assembly=assembly, clobbered=CLOBBERED[name])
    image = program(core, {"model.h": model.encode()})
    return emulate(core, image, Layout(1, 1, (1,), (1,)), [np.array(codes)[:, None]], window)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_known_length_is_counted_exactly(name: str) -> None:
    """A hundred rounds more are two hundred instructions more, in a step and in the layer alone."""
    few, many = (step_of(name, LOOPS[name] % rounds) for rounds in (50, 150))
    assert many.counts[0] - few.counts[0] == 200
    assert many.layer_count - few.layer_count == 200


@pytest.mark.parametrize("name", FRAMES)
def test_the_stack_is_measured_to_the_byte_by_its_paint(name: str) -> None:
    """A frame of 3,840 bytes more, of which only the lowest word is written, is 3,840 bytes more."""
    small, large = (step_of(name, FRAMES[name] % (size, size)) for size in (256, 4096))
    assert large.stack_bytes - small.stack_bytes == 3840


@pytest.mark.parametrize("name", LOOPS)
def test_states_and_outputs_are_those_of_every_step(name: str) -> None:
    """The state is zero at the start and at every window."""
    done = step_of(name, "nop", codes=[5, -3, 300], window=2)
    ((hidden, cell),) = done.traces[0].states
    assert done.traces[0].outputs.tolist() == [[5], [2], [300]]
    assert hidden.tolist() == [[5], [-3], [300]]
    assert cell.tolist() == [[5], [2], [300]]
    assert len(done.counts) == 3


@pytest.mark.parametrize(
    ("name", "emulator"),
    [
        ("arm1176", "qemu-arm 7"),
        ("cortex-a7", "qemu-arm 7"),
        ("cortex-a35", "qemu-aarch64 7"),
        ("cortex-a53", "qemu-aarch64 7"),
        ("cortex-a72", "qemu-aarch64 7"),
        ("cortex-a76", "qemu-aarch64 7"),
        ("x86-64", "qemu-x86_64 7"),
    ],
)
def test_a_model_runs_on_every_core_with_its_own_kernels(name: str, emulator: str) -> None:
    """Bytes are the reference's, and the run says what emulated which processor."""
    model = random_native(3, 3, (5, 4), 2)
    done = check_core(name, model, random_codes(model, 12))
    assert done.emulator.startswith(emulator)
    assert done.emulator.endswith(load_core(name).emulator["cpu"])


def test_an_instruction_that_the_processor_lacks_is_a_fault() -> None:
    """SDOT on a Cortex-A72."""
    with pytest.raises(VerificationError, match="cortex-a72: the program was ended by SIGILL"):
        step_of("cortex-a72", ".inst 0x4f8fe000")


def test_a_program_that_hangs_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_user, "SECONDS", 1.0)
    with pytest.raises(VerificationError, match="cortex-a7: the program did not end within 1 s"):
        step_of("cortex-a7", "1: b 1b")


def test_a_processor_that_qemu_does_not_know_is_said() -> None:
    core = replace(load_core("cortex-a72"), emulator={"name": "qemu-user", "cpu": "cortex-a99"})
    image = program(core, {"model.h": MODEL.format(assembly="nop", clobbered='"x9"').encode()})
    with pytest.raises(VerificationError, match="cortex-a99"):
        emulate(core, image, Layout(1, 1, (1,), (1,)), [np.ones((1, 1), int)], None)


def test_without_qemu_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    core = load_core("cortex-a72")
    image = program(core, {"model.h": MODEL.format(assembly="nop", clobbered='"x9"').encode()})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="it emulates cortex-a72; apt install qemu-user"):
        emulate(core, image, Layout(1, 1, (1,), (1,)), [np.ones((1, 1), int)], None)


def test_the_plugin_compiles_with_the_compiler_that_pip_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    monkeypatch.setattr(qemu_user, "counter", qemu.counter.__wrapped__)
    assert step_of("cortex-a72", "nop").counts[0] > 0
