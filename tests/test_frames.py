"""Frames on a bad wire: host and firmware find the same ones in any bytes."""

from __future__ import annotations

import binascii
import ctypes
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lstm.runtimes.frames import EXTRA, START, Frame, Receiver
from edge_lstm_export.c_source import kernels
from edge_lstm_export.firmware.image import firmware_files

MOST = 24

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=MOST))
PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda noise: bytes([START]) + noise, st.binary(max_size=6)),
    FRAMES.map(Frame.encode),
    st.builds(lambda f, k, bit: _flip(f.encode(), k, bit), FRAMES, st.integers(0, 200), st.integers(0, 7)),
    st.builds(lambda f, k: f.encode()[: k % 30], FRAMES, st.integers(0, 30)),
)


def _flip(data: bytes, at: int, bit: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


class FirmwareReceiver:
    """``el_frame.c``, compiled for this computer."""

    class Struct(ctypes.Structure):
        _fields_ = (
            ("bytes", ctypes.POINTER(ctypes.c_uint8)),
            ("capacity", ctypes.c_uint16),
            ("count", ctypes.c_uint16),
        )

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._memory = (ctypes.c_uint8 * (MOST + EXTRA))()
        pointer = ctypes.cast(self._memory, ctypes.POINTER(ctypes.c_uint8))
        self._receiver = self.Struct(pointer, MOST + EXTRA, 0)

    def take(self, data: bytes) -> list[Frame]:
        found = []
        for byte in data:
            if self._library.el_frame_take(ctypes.byref(self._receiver), ctypes.c_uint8(byte)):
                held = bytes(self._memory)
                count = held[1] | held[2] << 8
                found.append(Frame(held[3], held[4], held[5 : 5 + count]))
                self._library.el_frame_done(ctypes.byref(self._receiver))
        return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("frames")
    names = {
        n.removeprefix("project/"): c for n, c in firmware_files("project/el_frame.c", "project/el_frame.h").items()
    }
    for name, content in {**names, **kernels.kernel_files(["el_port.h"])}.items():
        (folder / name).write_bytes(content)
    words = ["gcc", "-std=c99", "-g", "-fsanitize=undefined", "-shared", "-fPIC", "-o", "frame.so", "el_frame.c"]
    subprocess.run(words, cwd=folder, check=True)
    return ctypes.CDLL(str(Path(folder) / "frame.so"))


def test_the_crc_is_the_one_that_is_named(library: ctypes.CDLL) -> None:
    """CRC-16/CCITT-FALSE of "123456789" is 0x29b1 in every catalogue."""
    library.el_crc16.restype = ctypes.c_uint16
    assert library.el_crc16(ctypes.c_uint16(0xFFFF), b"123456789", ctypes.c_uint16(9)) == 0x29B1
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_host_and_firmware_find_the_same_frames(library: ctypes.CDLL, pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert FirmwareReceiver(library).take(data) == Receiver(MOST).take(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(1, 9))
def test_it_does_not_matter_in_which_pieces_bytes_arrive(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    receiver = Receiver(MOST)
    found = [frame for k in range(0, len(data), size) for frame in receiver.take(data[k : k + size])]
    assert found == Receiver(MOST).take(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), FRAMES)
def test_a_whole_frame_is_found_after_any_noise(library: ctypes.CDLL, noise: bytes, frame: Frame) -> None:
    """Once the bytes of a longest frame have followed the noise: then no damaged length can still be waiting."""
    data = noise + bytes(MOST + EXTRA) + frame.encode()
    assert frame in Receiver(MOST).take(data)
    assert frame in FirmwareReceiver(library).take(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_whole_frames_one_after_the_other_are_all_found(library: ctypes.CDLL, frames: list[Frame]) -> None:
    data = b"".join(frame.encode() for frame in frames)
    assert Receiver(MOST).take(data) == frames
    assert FirmwareReceiver(library).take(data) == frames
