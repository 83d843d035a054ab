"""What programs under QEMU have in common: what they are asked, what they answer, and the plugin that counts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from edge_lstm.compiler import compile_shared
from edge_lstm.errors import MissingDependencyError
from edge_lstm.runtimes.worker import Trace
from edge_lstm_export.emulators.base import Array, Layout, traced
from edge_lstm_export.firmware.image import Image


def calls_of(recordings: Sequence[Array], layout: Layout, window: int | None) -> tuple[Array, bytes]:
    """(letter of each call, what the program reads): reset, step with its codes, and at the end the first layer."""
    letters, content = [], []
    for codes in recordings:
        for step, x in enumerate(np.asarray(codes).astype(layout.code)):
            if step % (window or len(codes)) == 0:
                letters.append("r")
                content.append(b"r")
            letters.append("s")
            content.append(b"s" + x.tobytes())
    return np.array([*letters, "l"]), b"".join([*content, b"l"])


def read_results(content: bytes, image: Image, layout: Layout, recordings: Sequence[Array]) -> list[Trace]:
    """What the program wrote: after every step y, then its whole state, scratch too."""
    width = layout.output_bytes + image.symbols["board_state"][1]
    steps = np.frombuffer(content, np.uint8).reshape(-1, width)
    ends = np.cumsum([len(codes) for codes in recordings])[:-1]
    return [_trace(part, layout) for part in np.split(steps, ends)]


def _trace(steps: Array, layout: Layout) -> Trace:
    outputs, states = steps[:, : layout.output_bytes], steps[:, layout.output_bytes :]
    codes = np.ascontiguousarray(outputs).view(layout.code)
    return traced(layout, codes, [row[: layout.state_bytes].tobytes() for row in states])


def version(qemu: str) -> str:
    """Of an installed QEMU.

    Raises:
        MissingDependencyError: if it does not run.
    """
    try:
        said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
        return said.split("version ")[1].split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise MissingDependencyError(f"{qemu} is installed but does not tell its version; install it again") from error


@cache
def counter() -> bytes:
    """The plugin: instructions from an address to another.

    Raises:
        MissingDependencyError: if no C compiler is installed.
    """
    source = files("edge_lstm_export") / "emulators" / "qemu_count.c"
    return compile_shared({source.name: source.read_bytes()})
