"""A model on a board at the other end of a wire: the firmware of a bundle's ``c`` folder, asked step by step.

Every request carries a sequence number and is repeated until it is answered; the firmware answers a repeated one from
memory, so a step is taken once whatever the wire loses.
"""

from __future__ import annotations

import itertools
import struct
import time
import weakref
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np

from edge_lstm.bundle import MODEL_FILES, Bundle
from edge_lstm.errors import MissingDependencyError, TargetError
from edge_lstm.integer import Arithmetic, NativeLayer, NativeModel, TfliteLstm, TfliteModel
from edge_lstm.runtimes.base import Array, State, fitting, layers_in_a_row
from edge_lstm.runtimes.frames import EXTRA, Frame, Receiver

PROTOCOL = 1
BAUD = 115_200
SECONDS, ATTEMPTS = 0.5, 10
"""Before a request is repeated, and how often it is sent: a board that resets when its port opens needs two seconds."""

INFO, RESET, STEP, GET_STATE, SET_STATE, REFUSED = 1, 2, 3, 4, 5, 0xFF
ANSWER = 0x80
REASONS = {1: "it does not know this request", 2: "the request has a length that its model does not take"}

ARITHMETICS: dict[Arithmetic, int] = {"native": 1, "tflm": 2}
"""As a firmware names them."""

_TYPES: dict[Arithmetic, tuple[np.dtype[Any], np.dtype[Any]]] = {
    "native": (np.dtype("<i2"), np.dtype("<i4")),
    "tflm": (np.dtype("i1"), np.dtype("<i2")),
}
"""Of codes and of the cell state."""

_INFO = struct.Struct("<BBHHH9s")
"""Protocol, self-test passed, channels, outputs, units, identity of the model."""


def model_id(arithmetic: Arithmetic, sha256: str) -> bytes:
    """9 bytes by which a host knows a firmware's model.

    Args:
        arithmetic: the first byte.
        sha256: of the model's file, hexadecimal; the others are its beginning.
    """
    return bytes([ARITHMETICS[arithmetic]]) + bytes.fromhex(sha256)[:8]


class SerialBoard:
    """A ``Runtime`` behind a serial port or a socket.

    Args:
        url: what pyserial opens: ``/dev/ttyACM0``, ``COM3``, ``socket://HOST:PORT``.
        bundle: whose model the firmware must hold.

    Raises:
        MissingDependencyError: if pyserial is not installed.
        TargetError: if the port cannot be opened or is silent, or the firmware holds another model or failed its
            self-test.
    """

    name = "board"

    def __init__(self, url: str, bundle: Bundle) -> None:
        held = [name for name in ARITHMETICS if name in bundle.arithmetics]
        self._wire = _Wire(url, max((_longest_payload(bundle, name) for name in held), default=_INFO.size))
        passed, identity = self._info()
        self.arithmetic = self._require_same_model(bundle, identity)
        if not passed:
            raise TargetError(f"{url}: its self-test failed: the board computes wrong bytes; flash it again")
        layers = _layers(bundle, self.arithmetic)
        self._units, self._cells = ([getattr(x, name) for x in layers] for name in ("units", "cells"))
        self._code, self._cell = _TYPES[self.arithmetic]
        self._channels, self._outputs = len(bundle.interface.channels), len(bundle.interface.task.outputs)

    def reset(self) -> None:
        self._wire.ask(RESET)

    def step(self, codes: Any) -> Array:
        """(C,) → (O,)."""
        x = fitting(codes, self._code, self._channels, "a step of the board")
        return np.frombuffer(self._wire.ask(STEP, x.tobytes()), self._code)

    def run(self, codes: Any) -> Array:
        """(T, C) → (T, O), a request a step."""
        return np.array([self.step(x) for x in np.asarray(codes)], self._code).reshape(-1, self._outputs)

    def get_state(self) -> State:
        memory, at = self._wire.ask(GET_STATE), max(sum(self._cells), 1) * self._cell.itemsize
        cell, hidden = np.frombuffer(memory[:at], self._cell), np.frombuffer(memory[at:], self._code)
        spans = zip(layers_in_a_row(self._units), layers_in_a_row(self._cells), strict=True)
        return tuple((hidden[u], cell[c]) for u, c in spans)

    def set_state(self, state: State) -> None:
        spare = np.zeros(0 if sum(self._cells) else 1)  # C knows no array of none
        parts = [(c, self._cell) for c in (*(c for _, c in state), spare)] + [(h, self._code) for h, _ in state]
        self._wire.ask(SET_STATE, b"".join(np.asarray(a).astype(kind).tobytes() for a, kind in parts))

    def _info(self) -> tuple[bool, bytes]:
        """Whether the self-test passed, and the identity of the firmware's model."""
        answer = self._wire.ask(INFO)
        if len(answer) != _INFO.size or answer[0] != PROTOCOL:
            raise TargetError(
                f"{self._wire.url}: the firmware speaks protocol {answer[:1].hex() or '-'}, this program {PROTOCOL}; "
                "flash the firmware of this bundle"
            )
        _, passed, _, _, _, identity = _INFO.unpack(answer)
        return bool(passed), identity

    def _require_same_model(self, bundle: Bundle, identity: bytes) -> Arithmetic:
        held = [name for name in ARITHMETICS if name in bundle.arithmetics]
        same = [name for name in held if identity == model_id(name, bundle.digest(MODEL_FILES[name]))]
        if not same:
            raise TargetError(
                f"{self._wire.url}: the firmware holds another model than {bundle.path}; flash the one in its folder c"
            )
        return same[0]


def _layers(bundle: Bundle, arithmetic: Arithmetic) -> Sequence[NativeLayer | TfliteLstm]:
    """Of a model that C is written of."""
    return cast(NativeModel | TfliteModel, bundle.model(arithmetic)).layers


def _longest_payload(bundle: Bundle, arithmetic: Arithmetic) -> int:
    """Bytes, either way."""
    (code, cell), task = _TYPES[arithmetic], bundle.interface.task
    layers = _layers(bundle, arithmetic)
    state = max(sum(x.cells for x in layers), 1) * cell.itemsize + sum(x.units for x in layers) * code.itemsize
    return max(state, max(len(bundle.interface.channels), len(task.outputs)) * code.itemsize, _INFO.size)


class _Wire:
    """Requests and their answers, in order.

    Args:
        most: bytes of the longest payload.
    """

    def __init__(self, url: str, most: int) -> None:
        self.url, self._most = url, most
        self._port, self._failures = _open(url)
        weakref.finalize(self, self._port.close)
        # A firmware that answered somebody before must not take our first request for its last.
        self._sequences = itertools.cycle(np.roll(range(256), time.monotonic_ns() % 256).tolist())

    def ask(self, kind: int, payload: bytes = b"") -> bytes:
        """The answer's payload.

        Raises:
            TargetError: if there is none, or the firmware refuses.
        """
        sequence = next(self._sequences)
        request, receiver = Frame(sequence, kind, payload).encode(), Receiver(self._most)
        for attempt in range(ATTEMPTS):
            # A damaged length makes the firmware wait for bytes that never come: what fills it up lets it look again.
            self._write(bytes(self._most + EXTRA) + request if attempt else request)
            answer = self._answer(receiver, sequence, kind)
            if answer is not None:
                return answer
        raise TargetError(
            f"{self.url}: no answer in {SECONDS * ATTEMPTS:.0f} s; check that this is the board's port and that the "
            "firmware of the bundle is in it"
        )

    def _answer(self, receiver: Receiver, sequence: int, kind: int) -> bytes | None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for frame in receiver.take(self._read()):
                if frame.sequence == sequence and frame.kind == kind | ANSWER:
                    return frame.payload
                if frame.sequence == sequence and frame.kind == REFUSED:
                    why = REASONS.get(frame.payload[0] if frame.payload else 0, "for a reason of its own")
                    raise TargetError(f"{self.url}: the firmware refused request {kind}: {why}; flash this bundle's")
        return None

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except self._failures as error:
            raise self._gone(error) from error

    def _read(self) -> bytes:
        try:
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        except self._failures as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception) -> TargetError:
        return TargetError(f"{self.url}: the board is gone: {error}; plug it in and start again")


def _open(url: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The port, and what it raises when it fails."""
    try:
        import serial
    except ImportError as error:
        raise MissingDependencyError(
            "pyserial is not installed, it talks to boards; pip install 'edge-lstm[boards]'"
        ) from error
    _require_address(url)
    try:
        port = serial.serial_for_url(url, baudrate=BAUD, timeout=0.02, do_not_open=True)
        if "://" not in url:
            port.exclusive = True
        port.open()
    except (OSError, ValueError) as error:
        message = f"{url}: cannot be opened: {error}; check the name, the cable, and who else has it open"
        raise TargetError(message) from error
    return port, (OSError, TypeError)


def _require_address(url: str) -> None:
    """pyserial's own words for a wrong socket are of its source, not of what was asked.

    Raises:
        TargetError: if a socket has no host or no port.
    """
    if not url.startswith("socket://"):
        return
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete:
        raise TargetError(f"{url}: is no address; give socket://HOST:PORT with a port of 1 to 65535")
