"""The TFLite runtimes as streams: reset, state in and out, refusals, and crashes that stay in their own process."""

import subprocess
import sys

import numpy as np
import pytest
from tflite_models import random_codes, random_integer_model

from edge_lstm.errors import BundleError, InputError, MissingDependencyError, VerificationError
from edge_lstm.reference import network
from edge_lstm.runtimes.litert import litert
from edge_lstm.runtimes.worker import RUNTIMES, run_isolated
from edge_lstm_export.tflite import fused_tflite

SIZE = (3, (5, 7), 2)
INTERPRETERS = ("tflite-runtime", "litert", "tflm")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runtimes") / "model.tflite"
    path.write_bytes(fused_tflite(random_integer_model(*SIZE)))
    return path


# Run in a process of its own for each runtime: argv is the runtime and the file.
STREAM = """
import sys
from pathlib import Path
import numpy as np
from edge_lstm.runtimes.worker import RUNTIMES

def equal(a, b):
    return all(np.array_equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True))

stream, other = (RUNTIMES[sys.argv[1]](Path(sys.argv[2])) for _ in range(2))
codes = np.random.default_rng(3).integers(-128, 128, (300, 3))
fresh = stream.get_state()
whole = stream.run(codes)
stream.reset()
assert equal(stream.get_state(), fresh), "reset is not the state before the first sample"
parts = [stream.run(codes[:100]), stream.step(codes[100])[None], stream.run(codes[101:101])]
kept = stream.get_state()
parts.append(stream.run(codes[101:]))
assert np.array_equal(np.concatenate(parts), whole), "chunks and steps differ from the whole"
if sys.argv[1] != "tflm":
    other.run(codes[:7])
    other.set_state(kept)
    assert equal(other.get_state(), kept), "a state is not read as it was written"
    assert np.array_equal(other.run(codes[101:]), whole[101:]), "a restored stream goes another way"
print([[part.dtype.name for part in layer] for layer in kept])
"""


@pytest.mark.parametrize("runtime", INTERPRETERS)
def test_a_stream_resets_and_resumes_from_a_saved_state(runtime, file):
    """Reset gives the fresh state; a state saved in one stream and set in another continues byte for byte."""
    done = subprocess.run([sys.executable, "-c", STREAM, runtime, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[['int8', 'int16'], ['int8', 'int16']]"


def test_the_state_has_the_form_of_the_references(file):
    """A runtime starts from the reference's zero state: h at its zero point, c at 0."""
    expected = network(random_integer_model(*SIZE)).zero_state(1)
    for (h, c), (h_expected, c_expected) in zip(litert(file).get_state(), expected, strict=True):
        np.testing.assert_array_equal(h, h_expected[0])
        np.testing.assert_array_equal(c, c_expected[0])


def test_tflm_says_that_its_state_cannot_be_set(file):
    """The micro interpreter hands out copies: setting is refused, not ignored."""
    script = (
        "import sys; from pathlib import Path; from edge_lstm.runtimes.tflm import tflm\n"
        "stream = tflm(Path(sys.argv[1])); stream.set_state(stream.get_state())"
    )
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=False)
    assert "BundleError: tflm cannot set the state" in done.stderr


def test_tflite_runtime_refuses_a_process_with_tensorflow(file):
    """Together they corrupt memory, so the back end does not even try."""
    script = (
        "import sys; from pathlib import Path; sys.modules['tensorflow'] = sys\n"
        "from edge_lstm.runtimes.tflite_runtime import tflite_runtime; tflite_runtime(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=False)
    assert "MissingDependencyError: tflite-runtime cannot run in a process that has imported TensorFlow" in done.stderr


@pytest.mark.parametrize(
    ("runtime", "package", "extra"),
    [
        ("tflite-runtime", "tflite_runtime", "edge-lstm[tflite]"),
        ("litert", "ai_edge_litert", "edge-lstm[tflite]"),
        ("tflm", "tflite_micro", "edge-lstm[micro]"),
    ],
)
def test_a_missing_package_names_its_extra(monkeypatch, file, runtime, package, extra):
    """Without its wheel a back end says what to install."""
    for name in [name for name in sys.modules if name.split(".")[0] in (package, "tensorflow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError) as refusal:
        RUNTIMES[runtime](file)
    assert extra in str(refusal.value)


@pytest.mark.parametrize(
    ("codes", "said"),
    [([1, 2], "shape"), ([[1, 2, 3]], "shape"), ([1, 2, 128], "-128..127"), ([1, -129, 3], "-128..127")],
)
def test_a_sample_that_does_not_fit_is_refused(file, codes, said):
    """A wrong width or a code outside int8 would otherwise wrap silently."""
    with pytest.raises(InputError, match=said):
        litert(file).step(np.array(codes))


@pytest.mark.parametrize("runtime", INTERPRETERS)
def test_a_file_that_is_missing_or_not_tflite_is_refused(tmp_path, runtime):
    """The interpreters themselves would crash on some of these."""
    (tmp_path / "text.tflite").write_bytes(b"not a model at all")
    for name, said in (("text.tflite", "not a TFLite file"), ("none.tflite", "cannot be read")):
        with pytest.raises(BundleError, match=said):
            run_isolated(runtime, tmp_path / name, [random_codes(3, 2)])


def test_a_crash_of_the_child_names_the_runtime_and_the_signal(tmp_path):
    """tflite-runtime reads a damaged file without looking and dies; the parent lives and says so."""
    (tmp_path / "damaged.tflite").write_bytes(b"\x61\x62\x63\x64TFL3" + b"\xff" * 300)
    with pytest.raises(VerificationError, match="tflite-runtime crashed with SIGSEGV"):
        run_isolated("tflite-runtime", tmp_path / "damaged.tflite", [random_codes(3, 2)])


def test_an_error_in_the_child_is_raised_again_in_the_parent(file):
    """What the library refuses in the child arrives with its own type and words."""
    with pytest.raises(InputError, match="a sample has shape"):
        run_isolated("litert", file, [random_codes(4, 2)])


def test_recordings_keep_apart(file):
    """Each recording of a job starts from zero state, whatever ran before it."""
    codes = random_codes(3, 50)
    first, second = run_isolated("litert", file, [codes, codes])
    np.testing.assert_array_equal(first.outputs, second.outputs)
    np.testing.assert_array_equal(first.states[1][1], second.states[1][1])
