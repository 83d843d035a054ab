"""The C kernels and the reference compute equal bytes: outputs, states and gates, step by step and in chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from c_nets import library, random_codes, random_native, with_ends
from models import float_model, native_model, recordings
from numpy.typing import NDArray

from edge_lstm.compiler import compile_shared
from edge_lstm.errors import BundleError, InputError
from edge_lstm.files import write_atomically
from edge_lstm.integer import Affine, NativeLstm, NativeModel, Scheme
from edge_lstm.reference import network, replay, trace
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm_export.c_source import host_sources

RANDOM_NETS = [
    # scheme, features, units, outputs, hidden bits
    ("w8a16", 1, (1,), 1, 12),
    ("w8a16", 40, (64,), 9, 8),
    ("w8a16", 9, (33,), 6, 10),
    ("w8a16", 3, (17, 5), 2, 9),
    ("w8a16", 13, (7, 1, 24), 4, 11),
    ("w8a8", 1, (1,), 2, 7),
    ("w8a8", 40, (64,), 9, 7),
    ("w8a8", 5, (31, 2), 1, 7),
    ("w8a8", 2, (3, 11, 8), 5, 7),
    ("w8a8", 9, (33, 6), 3, 9),
    ("w8a8", 3, (17,), 2, 12),
]


def first_difference(expected: dict[tuple[int, str], NDArray[Any]], seen: dict[tuple[int, str], NDArray[Any]]) -> str:
    """The earliest step at which a tensor differs, or ``""``."""
    assert expected.keys() == seen.keys()
    steps = [
        (int(np.flatnonzero((expected[key] != seen[key]).any(axis=1))[0]), key)
        for key in expected
        if not np.array_equal(expected[key], seen[key])
    ]
    return "" if not steps else "step {}: layer {}".format(*min(steps, key=lambda found: found[0]))


def assert_equal_everywhere(tmp_path: Any, model: NativeModel, codes: NDArray[Any]) -> None:
    expected = trace(network(model), codes)
    assert first_difference(expected, library(tmp_path, model, ["EL_TAP"]).trace(codes)) == ""
    shipped = library(tmp_path, model)
    assert np.array_equal(shipped.run(codes), expected[len(model.layers), "y"])
    for layer, (h, c) in enumerate(shipped.get_state()):
        assert np.array_equal(h, expected[layer, "h"][-1])
        assert np.array_equal(c, expected[layer, "c"][-1])


@pytest.mark.parametrize(("scheme", "features", "units", "outputs", "bits"), RANDOM_NETS)
def test_random_networks_give_equal_bytes_in_every_gate(
    tmp_path: Any, scheme: Scheme, features: int, units: tuple[int, ...], outputs: int, bits: int
) -> None:
    """Outputs, h, c, pre-activations and gates of C equal the reference's at every step."""
    model = random_native(features + 7 * len(units), features, units, outputs, scheme, bits)
    assert_equal_everywhere(tmp_path, model, random_codes(model, 150))


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_quantised_networks_give_equal_bytes_on_recordings(tmp_path: Any, scheme: Scheme) -> None:
    """A network as the quantiser makes it agrees on the recordings it will see."""
    options: dict[str, Any] = {"features": 9, "units": (32, 6), "outputs": 6}
    model = native_model(scheme, **options)
    codes = model.encoding.encode(np.concatenate(recordings(float_model(**options))))
    assert_equal_everywhere(tmp_path, model, codes)


def saturating_model(scheme: Scheme, hidden_bits: int) -> NativeModel:
    """Units whose cell climbs to either clamp as the sign of x says: i, f and o are open, g follows x."""
    units = 3
    rows = np.zeros((4 * units, 1 + units), np.int64)
    bias = np.full(4 * units, 1 << 22)
    rows[2 * units : 3 * units, 0] = (127, -127, 1)
    bias[2 * units : 3 * units] = 0
    multiplier, shift = np.full(4 * units, 255), np.full(4 * units, 9)
    halves = [rows] if scheme == "w8a16" else [rows[:, :1], rows[:, 1:]]
    blocks = tuple(Affine(half, bias if k == 0 else 0 * bias, multiplier, shift) for k, half in enumerate(halves))
    head = Affine([[127, 0, 0], [0, 127, 0]], [0, 0], [255, 255], [9, 9])
    limit = np.array([30000 if scheme == "w8a16" else 127])
    return with_ends((NativeLstm(blocks, 1, hidden_bits),), head, limit)


@pytest.mark.parametrize(
    ("scheme", "bits", "h_max"), [("w8a16", 8, 256), ("w8a16", 12, 4092), ("w8a8", 7, 127), ("w8a8", 10, 127)]
)
def test_every_saturation_is_reached_and_equal(tmp_path: Any, scheme: Scheme, bits: int, h_max: int) -> None:
    """z at both limits, the cell at both clamps, the hidden state at its largest: they occur, and bytes are equal."""
    model = saturating_model(scheme, bits)
    limit = int(model.encoding.high[0])
    codes = np.concatenate([np.full((400, 1), limit), np.full((500, 1), -limit), np.full((300, 1), 1)])
    assert_equal_everywhere(tmp_path, model, codes)
    seen = trace(network(model), codes)
    assert {seen[0, "c"].min(), seen[0, "c"].max()} == {-(1 << 30), (1 << 30) - 1}
    assert seen[0, "i_pre"].max() == 32767
    assert seen[0, "h"].max() == h_max
    if scheme == "w8a16":
        assert {seen[0, "g_pre"].min(), seen[0, "g_pre"].max()} == {-32768, 32767}
        assert set(np.unique(seen[1, "y"])) >= ({-32768, 32767} if bits == 12 else set())


@pytest.mark.parametrize("shift", [1, 2, 8, 26])
@pytest.mark.parametrize("sign", [1, -1])
def test_both_halves_of_w8a8_at_their_largest_add_up_exactly(tmp_path: Any, shift: int, sign: int) -> None:
    """Two accumulators of almost 2**23, the largest multiplier and every extreme shift: the sum fits 32 bits."""
    units = 3
    over_h = np.zeros((4 * units, units), np.int64)
    over_h[:, :2] = 127
    most = (1 << 23) - 1
    rows, many = np.full((4 * units, 1), 127), np.full(4 * units, 255)
    x_block = Affine(rows, np.full(4 * units, sign * (most - 127 * 127)), many, np.full(4 * units, shift))
    h_block = Affine(over_h, np.full(4 * units, sign * (most - 2 * 127 * 128)), many, np.full(4 * units, shift))
    layer = NativeLstm((x_block, h_block), 1, 7)
    head = Affine(np.eye(2, units, dtype=np.int64), [0, 0], [128, 128], [9, 9])
    model = with_ends((layer,), head, np.array([127]))
    assert_equal_everywhere(tmp_path, model, np.array([[sign * 127]] * 3 + [[-sign * 127]] * 3))


def test_random_networks_saturate_pre_activations_and_outputs(tmp_path: Any) -> None:
    """The random networks above reach both limits of z and of the output, in both schemes."""
    for scheme in ("w8a16", "w8a8"):
        model = random_native(47, 40, (64,), 9, scheme, 8)  # type: ignore[arg-type]
        seen = trace(network(model), random_codes(model, 150))
        pre = np.concatenate([seen[0, f"{gate}_pre"] for gate in "ifgo"])
        assert (pre.min(), pre.max()) == (-32768, 32767)


def test_a_long_stream_stays_equal(tmp_path: Any) -> None:
    """12,000 steps of carried state, in one call of C."""
    model = native_model(features=3, units=(16,), outputs=2, gain=2.0)
    codes = random_codes(model, 12_000)
    assert np.array_equal(library(tmp_path, model).run(codes), trace(network(model), codes)[1, "y"])


def test_steps_chunks_and_the_whole_are_the_same(tmp_path: Any) -> None:
    """The state is carried over calls, whatever their length, and a reset forgets it."""
    model = random_native(3, 4, (9, 5), 3)
    codes = random_codes(model, 100)
    runtime = library(tmp_path, model)
    whole = runtime.run(codes)
    runtime.reset()
    steps = np.array([runtime.step(row) for row in codes])
    runtime.reset()
    chunks = np.concatenate([runtime.run(part) for part in (codes[:1], codes[1:40], codes[40:40], codes[40:])])
    assert np.array_equal(whole, steps)
    assert np.array_equal(whole, chunks)


def test_a_saved_state_continues_the_stream(tmp_path: Any) -> None:
    """``set_state`` of an earlier ``get_state`` goes on as if nothing had happened, in another stream too."""
    model = random_native(4, 4, (9, 5), 3)
    codes = random_codes(model, 60)
    first, second = library(tmp_path, model), library(tmp_path, model)
    first.run(codes[:30])
    second.set_state(first.get_state())
    assert np.array_equal(first.run(codes[30:]), second.run(codes[30:]))


def test_two_streams_of_one_library_do_not_meet(tmp_path: Any) -> None:
    """State belongs to the caller: the library has none."""
    model = random_native(5, 4, (9,), 3)
    codes = random_codes(model, 50)
    first = library(tmp_path, model)
    second = CLibrary(next(tmp_path.iterdir()))
    alone = first.run(codes)
    first.reset()
    together = [(first.step(row), second.step(row)) for row in codes]
    assert all(np.array_equal(a, b) for a, b in together)
    assert np.array_equal(alone, np.array([a for a, _ in together]))


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        (np.zeros(3), r"shape \(3,\); expected \(4,\)"),
        (np.array([0, 0, 40000, 0]), "holds codes 0..40000"),
    ],
)
def test_a_wrong_step_is_refused(tmp_path: Any, codes: NDArray[Any], complaint: str) -> None:
    """A step of the wrong width, or of codes that int16 cannot hold, is refused and not wrapped."""
    runtime = library(tmp_path, random_native(6, 4, (3,), 2))
    with pytest.raises(InputError, match=complaint):
        runtime.step(codes)


def test_a_wrong_chunk_or_state_is_refused(tmp_path: Any) -> None:
    """So is a chunk that is not (steps, channels), a state of other layers, and a trace without taps."""
    runtime = library(tmp_path, random_native(6, 4, (3,), 2))
    with pytest.raises(InputError, match=r"takes \(steps, 4\), not \(4,\)"):
        runtime.run(np.zeros(4, np.int16))
    with pytest.raises(InputError, match="the state has 0 layers"):
        runtime.set_state(())
    with pytest.raises(InputError, match="has no taps"):
        runtime.trace(np.zeros((1, 4), np.int16))


def test_a_library_written_again_is_loaded_again(tmp_path: Any) -> None:
    """A new model at the path of an old one is what runs, in the same process too."""
    first, second = random_native(7, 2, (3,), 2), random_native(8, 2, (3,), 2)
    codes = random_codes(first, 20)
    path = tmp_path / "model.so"
    for model in (first, second, first):
        write_atomically(path, compile_shared(host_sources(model)))
        assert np.array_equal(CLibrary(path).run(codes), replay(network(model), [codes])[0])


@pytest.mark.parametrize("content", [b"", b"\x7fELF nonsense"])
def test_a_file_that_is_no_library_is_refused(tmp_path: Any, content: bytes) -> None:
    """A broken library is named in one line."""
    path = tmp_path / "broken.so"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.so: cannot be loaded on this computer"):
        CLibrary(path)
