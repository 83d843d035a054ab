"""The Edge TPU is used or refused, and never played by the CPU. None is here: a delegate of our own stands in.

It shows that states go in and come out through an interpreter's delegate, and what is refused; of the real one it
shows nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import flatbuffers
import pytest
from live_streams import COMMAND, text
from stream_bundles import write_small_bundle

from edge_lstm.bundle import TFLITE_STEP
from edge_lstm.compiler import compile_shared
from edge_lstm.errors import BundleError
from edge_lstm.runtimes import BACK_ENDS, PREFERENCE
from edge_lstm.runtimes.edge_tpu import CUSTOM
from edge_lstm.runtimes.tflite_operators import NAMES, operators
from edge_lstm_export.tflite.graph import schema

FILE = "edgetpu/model_step_int8_edgetpu.tflite"
MAPPED = ["FULLY_CONNECTED", 9, "Mapped to Edge TPU"]
LEFT = ["TANH", 1, "More than one subgraph is not supported"]
UNCHECKED = "unchecked: nothing of this was run on an Edge TPU"

STAND_IN = (Path(__file__).parent / "c" / "stand_in_delegate.c").read_bytes()
"""Answers y = h of the first layer, and each state plus one."""


def unpacked(content):
    return schema().ModelT.InitFromObj(schema().Model.GetRootAsModel(content, 0))


def compiled(content, leave=0):
    """What the compiler's output looks like: one custom operator for all, save those at the end that are left."""
    model = unpacked(content)
    graph = model.subgraphs[0]
    code = schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema().BuiltinOperator.CUSTOM
    code.customCode, code.version = CUSTOM.encode(), 1
    model.operatorCodes.append(code)
    custom = schema().OperatorT()
    custom.opcodeIndex = len(model.operatorCodes) - 1
    custom.inputs, custom.outputs = list(graph.inputs), list(graph.outputs)
    last = graph.operators[len(graph.operators) - leave :]
    graph.operators = [custom, *last]
    # What is left reads tensors that nothing writes now; it is only looked at.
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A bundle with an explicit-state file, not compiled for anything."""
    return write_small_bundle(tmp_path_factory.mktemp("plain"), "tag", artefacts=True)


@pytest.fixture(scope="module")
def bundle(plain, tmp_path_factory):
    return with_file(plain, tmp_path_factory.mktemp("compiled"), compiled((plain / TFLITE_STEP).read_bytes()), [MAPPED])


def with_file(plain, folder, content, told):
    """A bundle with a compiled file and what its compiler told."""
    manifest = json.loads((plain / "manifest.json").read_text())
    for name in manifest["files"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(plain / name)
    (folder / "edgetpu").mkdir()
    (folder / FILE).write_bytes(content)
    manifest["files"][FILE] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["edgetpu"] = {"file": FILE, "operators": told}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """How the stand-in behaves, or other content → a folder that the loader searches."""

    def build(behaviour="WORKS", content=None):
        folder = tmp_path_factory.mktemp("library")
        made = compile_shared({"tpu.c": f"#define {behaviour}\n".encode() + STAND_IN}) if content is None else content
        (folder / "libedgetpu.so.1").write_bytes(made)
        return folder

    return build


def stream(bundle, folder, *options, written=""):
    environment = os.environ | ({"LD_LIBRARY_PATH": str(folder)} if folder else {})
    return subprocess.run(
        [*COMMAND, bundle, "--backend", "edgetpu", *options],
        input=written,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


def refused(done, code, *said):
    """One line, no prediction."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert all(part in done.stderr for part in said), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_it_is_never_chosen_by_itself():
    """It is slower than the CPU beside it for models of this size."""
    assert "edgetpu" in BACK_ENDS
    assert "edgetpu" not in PREFERENCE


def test_a_bundle_that_was_not_compiled_for_it_is_refused(plain, library):
    """The plain explicit-state file would run on the CPU."""
    refused(stream(plain, library()), 2, "holds no model compiled for an Edge TPU; export it with --edgetpu")


def test_a_computer_without_the_library_is_told_what_to_install(bundle):
    """Exit code 3, as for everything that is not installed."""
    refused(stream(bundle, None), 3, "libedgetpu.so.1 is not installed, it drives the Edge TPU; install Coral's Debian")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "libedgetpu.so.1 does not load: "),
        (compile_shared({"tpu.c": b"int tpu(void) { return 1; }\n"}), "libedgetpu.so.1 is no delegate, it has no"),
    ],
)
def test_a_library_that_is_none_is_refused(bundle, library, content, said):
    """Cut off by a copy, or another by the same name: one line, and nothing of the interpreter's own."""
    refused(stream(bundle, library(content=content)), 3, said, "; install Coral's")


def test_a_delegate_that_finds_no_device_is_refused_in_its_words(bundle, library):
    """It hands its reason to the interpreter."""
    done = stream(bundle, library("REFUSES"))
    refused(done, 2, "no Edge TPU can be used: no device on the bus; plug it in, check whether this user may use it")


def test_a_delegate_that_does_not_take_the_model_is_refused(bundle, library):
    """Compiler and library of two releases: no kernel of the CPU steps in."""
    done = stream(bundle, library("IGNORES"))
    refused(
        done, 2, "edgetpu cannot load ", CUSTOM, "; use the releases of libedgetpu.so.1 and its compiler that belong"
    )


def test_operators_that_would_run_on_the_cpu_unsaid_are_refused(plain, library, tmp_path):
    """The compiler's table says how many it leaves there; one more is refused before anything is loaded."""
    content = compiled((plain / TFLITE_STEP).read_bytes(), leave=2)
    left = operators(content)
    assert left.pop(CUSTOM) == 1
    assert left.total() == 2
    one, *_ = left
    told = [MAPPED, [one, left[one] - 1, LEFT[2]], [one, 7, MAPPED[2]]]
    done = stream(with_file(plain, tmp_path, content, told), library())
    refused(
        done, 2, f"1 {one}", " would run on the CPU, and its compiler did not say so; export it with --edgetpu again"
    )


def test_a_file_in_which_nothing_was_mapped_is_refused(plain, library, tmp_path):
    """Whatever the compiler said of it."""
    told = [[name, 99, LEFT[2]] for name in NAMES.values()]
    bundle = with_file(plain, tmp_path, (plain / TFLITE_STEP).read_bytes(), told)
    refused(stream(bundle, library()), 2, "nothing in it runs on an Edge TPU; export it")


def test_predictions_come_and_are_called_unchecked(bundle, library, samples):
    """One line on stderr, in a pipe too; with --json it is JSON."""
    folder = library()
    done = stream(bundle, folder, written=text(samples[:3]))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert done.stderr == f"stream: back end edgetpu, arithmetic step; {UNCHECKED}\n"
    told = json.loads(stream(bundle, folder, "--json").stderr)
    assert told["backend"]["unchecked"] == UNCHECKED


STATES = """
import sys
from edge_lstm.bundle import Bundle
from edge_lstm.runtimes import open_runtime
import numpy as np
runtime = open_runtime(Bundle.open(sys.argv[1]), "edgetpu").runtime
zero = runtime.get_state()
y = runtime.run(np.zeros((3, 3), np.int8))
assert [list(row - zero[0][0][:3]) for row in y] == [[0] * 3, [1] * 3, [2] * 3], y
for (h, c), (h0, c0) in zip(runtime.get_state(), zero, strict=True):
    assert set(h - h0) == set(c - c0) == {3}
"""


def test_each_step_gets_the_state_that_the_one_before_gave(bundle, library):
    """Through the interpreter and its delegate, for both layers."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(library())}
    done = subprocess.run([sys.executable, "-c", STATES, bundle], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_device_that_is_unplugged_is_said(bundle, library, samples):
    """What came before is out; exit code 2."""
    done = stream(bundle, library("FAILS"), written=text(samples[:9]))
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 4)
    assert "edge-lstm: error: edgetpu failed in a step: " in done.stderr
    assert done.stderr.count("\n") == 2


def test_operators_are_counted_as_the_schema_says(plain):
    """Against the reader made from TFLite's schema."""
    content = (plain / TFLITE_STEP).read_bytes()
    model = unpacked(content)
    names = {value: name for name, value in vars(schema().BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    assert operators(content) == Counter(codes[each.opcodeIndex] for each in model.subgraphs[0].operators)
    assert set(NAMES.items()) <= set(names.items())


def test_a_file_cut_anywhere_is_damaged_and_no_crash(plain):
    """Every hundredth byte; its operators may all lie before the cut."""
    content = (plain / TFLITE_STEP).read_bytes()
    seen = {_read(content[:end]) for end in range(0, len(content), 100)}
    assert len(seen) > 1
    assert seen <= {"not a TFLite file", "ends too early or is damaged", str(operators(content))}


def _read(content):
    try:
        return str(operators(content))
    except BundleError as error:
        return str(error).removeprefix("the model: ").partition(";")[0]
