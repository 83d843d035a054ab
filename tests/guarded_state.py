"""A state with bytes behind it that no step may touch: a kernel set has said how much scratch its kernels use."""

from __future__ import annotations

import numpy as np
from c_nets import random_codes

from edge_lstm.board import load_core
from edge_lstm.integer import NativeModel
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import program
from edge_lstm_export.emulators.base import Device
from edge_lstm_export.firmware.image import Image

GUARD = bytes(range(0x80, 0xC0))

PROGRAM = f"""
#include "model.h"
#define BOARD __attribute__((used, noinline, section(".text.board")))
struct {{ el_state state; uint8_t guard[{len(GUARD)}]; }} guarded;
int16_t guarded_x[EL_CHANNELS], guarded_y[EL_OUTPUTS];
BOARD void guarded_step(void) {{ el_step(&guarded.state, guarded_x, guarded_y); }}
"""


def image_of(core_name: str, model: NativeModel) -> Image:
    core = load_core(core_name)
    return program(core, {**write_c(model, kernel_set_name=core.kernels), "guarded.c": PROGRAM.encode()})


def check_guard(image: Image, model: NativeModel, device: Device) -> None:
    """Two steps, the second with every byte of the state set before."""
    size = image.symbols["guarded"][1] - len(GUARD)
    for state, codes in zip((bytes(size), b"\x11" * size), random_codes(model, 2), strict=True):
        device.write("guarded", state + GUARD)
        device.write("guarded_x", np.asarray(codes).astype("<i2").tobytes())
        device.call("guarded_step")
        assert device.read("guarded", size + len(GUARD))[size:] == GUARD
