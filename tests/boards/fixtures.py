"""Boards for tests. Their roots are made where they are missing, which takes minutes once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from boards import emulated_pi, systemd_board
from boards.board import Board

START: dict[str, Callable[..., Board]] = {
    **{name: lambda name=name, **how: emulated_pi.start(name, **how) for name in emulated_pi.PIS},
    systemd_board.NAME: systemd_board.start,
}


def _shared(name: str) -> Iterator[Board]:
    board = START[name]()
    yield board
    board.stop()


@pytest.fixture(scope="module")
def pi_arm64() -> Iterator[Board]:
    """A 64-bit Pi, emulated, shared by the tests of a module."""
    yield from _shared("pi-arm64")


@pytest.fixture(scope="module")
def pi_armhf() -> Iterator[Board]:
    """A 32-bit Pi, emulated, shared by the tests of a module."""
    yield from _shared("pi-armhf")


@pytest.fixture(scope="module")
def pi_zero() -> Iterator[Board]:
    """An ARMv6 Pi, emulated, whose Python has no wheels at all; shared by the tests of a module."""
    yield from _shared("pi-zero")


@pytest.fixture(scope="module", name="systemd_board")
def shared_systemd_board() -> Iterator[Board]:
    """A board that booted systemd, shared by the tests of a module."""
    yield from _shared(systemd_board.NAME)


@pytest.fixture
def fresh_board() -> Iterator[Callable[..., Board]]:
    """Starts boards of the test's own, in half a second each: ``fresh_board("pi-armhf", wheels=(), disk=32 << 20)``."""
    with contextlib.ExitStack() as stack:

        def start(name: str, **how: object) -> Board:
            board = START[name](**how)
            stack.callback(board.stop)
            return board

        yield start
