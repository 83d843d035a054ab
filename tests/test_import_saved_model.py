"""SavedModels become the same network without TensorFlow: what their graph computes is followed, and never run."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_runs import is_alike, model_in, refused, run

from edge_lstm.importers import tf_checkpoint
from edge_lstm.model import GruWeights

CONVERTED = Path(__file__).with_name("converted")
INDEX, GRAPH = "variables/variables.index", "saved_model.pb"
DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models of Keras 3, saved by one TensorFlow, and one of Keras 2."""
    folder = tmp_path_factory.mktemp("saved")
    script = Path(__file__).with_name("tf_models.py")
    done = subprocess.run([sys.executable, script, "saved_model", folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with tarfile.open(CONVERTED / "keras2.tar.xz") as archive:
        archive.extractall(folder / "keras2", filter="data")
    return folder


@pytest.mark.parametrize("how", ["export", "save"])
@pytest.mark.parametrize(
    "name", ["last", "every", "sigmoid", "scaled", "gru", "rnn_relu", "fixed", "sequential", "dense", "sigmoids"]
)
def test_an_imported_network_computes_what_keras_computes(files, name, how):
    """Two layers, every step or the last, a scaling, a GRU, as ``export`` and ``tf.saved_model.save`` write them."""
    example = np.load(files / f"{name}.npz")
    assert is_alike(files / f"{name}-{how}", example["x"], example["y"])


def test_a_saved_model_of_keras_2_computes_what_keras_2_computes(files):
    """Its layers are functions of their own, with a branch for GPUs that is never followed."""
    example = np.load(CONVERTED / "keras2.npz")
    assert is_alike(files / "keras2", example["x"], example["y"])


def test_layers_of_one_shape_are_not_mixed_up(files):
    """Two of 3 units, whose kernels could stand for each other: they are bound by the graph, not by shape or name."""
    first, second = (model_in(files / "every-export").layers[k].kernel for k in (0, 1))
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_a_gru_is_taken_as_the_cell_it_is(files):
    """Reset after the product, which is what Keras does; its steps are open."""
    model = model_in(files / "gru-save")
    assert isinstance(model.layers[0], GruWeights)
    assert model.layers[0].reset_after
    assert model.interface.task.window is None
    assert model_in(files / "fixed-save").interface.task.window == 6


@pytest.mark.parametrize("name", ["last-export", "keras2"])
def test_the_command_compares_with_tensorflow(files, tmp_path, name):
    """In a process of its own, where it is installed."""
    done = run(files / name, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert compared["runtime"] == "tensorflow"
    assert 0 <= compared["error"] <= 1e-5


def test_a_graph_that_does_more_than_compute_is_not_run(files, tmp_path, monkeypatch):
    """A SavedModel is a program, and this one writes a file: its weights are taken, and that it was not run is said."""
    monkeypatch.chdir(tmp_path)
    done = run(files / "writing", "-o", tmp_path / "m.safetensors", "-q")
    assert done.exit_code == 0, done.stderr
    assert "not compared: its graph holds WriteFile, which does more than compute" in done.stdout
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("relu", "no LSTM or GRU of tanh and sigmoid"),
        ("backwards", "reads a sequence from its end"),
        ("bidirectional", "reads a sequence from its end"),
        ("conv", "let the LSTM take the samples themselves"),
        ("branch", "joins two ways"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(files, tmp_path, name, says):
    """One line that names it, exit code 2, nothing written."""
    assert says in refused(files / f"{name}-export", "-o", tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_tensorflow_is_imported(files):
    """Nor Keras, nor protobuf: the folder is read with NumPy alone."""
    script = (
        "import sys, pathlib; from edge_lstm.importers import read; read(pathlib.Path(sys.argv[1]));"
        "print(sorted({'tensorflow', 'keras', 'google.protobuf', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, files / "last-export"], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# ---- files made to hurt ----


@pytest.fixture
def copy(files, tmp_path) -> Path:
    return Path(shutil.copytree(files / "last-export", tmp_path / "copy"))


@pytest.mark.parametrize("name", [GRAPH, INDEX, DATA])
def test_a_folder_without_one_of_its_files_says_which(copy, name):
    """As when it was copied in part."""
    (copy / name).unlink()
    assert Path(name).name in refused(copy, "--check").replace("checkpoint", "")


def test_a_folder_that_is_none_is_one_line(tmp_path):
    """Empty, or of other files."""
    assert "is a folder without saved_model.pb" in refused(tmp_path, "--check")


@pytest.mark.parametrize("name", [GRAPH, INDEX, DATA])
def test_a_truncated_file_is_one_line(copy, tmp_path, name):
    """Cut at every few hundredths."""
    content = (copy / name).read_bytes()
    for k in range(0, 100, 4):
        (copy / name).write_bytes(content[: len(content) * k // 100])
        refused(copy, "-o", tmp_path / "m.safetensors")


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("name", [GRAPH, INDEX, DATA])
def test_damage_never_ends_in_a_traceback(copy, tmp_path, name, seed):
    """Random bytes changed: imported, or refused in one line. Damage of the index never gets past its checksums."""
    content = bytearray((copy / name).read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), [2, 40][seed % 2]):
        content[place] ^= 1 << rng.integers(0, 8)
    (copy / name).write_bytes(content)
    done = run(copy, "--no-compare", "-q", "-o", tmp_path / "m.safetensors")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stderr.count("\n") == 1
    if name == INDEX:
        assert done.exit_code == 2


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def table(entries: dict[str, bytes]) -> bytes:
    """An index as TensorFlow writes it, of one block."""

    def block(items: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in items)
        body += struct.pack("<II", 0, 1) + b"\0"
        crc = tf_checkpoint._masked(tf_checkpoint._crc32c(body))
        return body + struct.pack("<I", crc)

    data = block(sorted((k.encode(), v) for k, v in entries.items()))
    handle = varint(0) + varint(len(data) - 5)
    index = block([(b"~", handle)])
    footer = (varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)).ljust(40, b"\0")
    return data + index + footer + struct.pack("<Q", tf_checkpoint._MAGIC)


def rewritten(copy: Path, change: Any) -> Path:
    """The folder with the entries of its index changed by ``change(entries)``, and its checksums right again."""
    entries = {k: bytes(v) for k, v in tf_checkpoint._table(memoryview((copy / INDEX).read_bytes()))}
    change(entries)
    (copy / INDEX).write_bytes(table(entries))
    return copy


KERNEL = "variables/0/.ATTRIBUTES/VARIABLE_VALUE"


def entry(kind: int = 1, shape: tuple[int, ...] = (3, 24), offset: int = 0, size: int = 288, shard: int = 0) -> bytes:
    dims = b"".join(field(2, field(1, n)) for n in shape)
    return field(1, kind) + field(2, dims) + field(3, shard) + field(4, offset) + field(5, size)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (entry(shape=(10**6, 10**6), size=4 * 10**12), "the limit is 268,435,456 B"),
        (entry(shape=(3, 25)), "has 288 B for shape (3, 25)"),
        (entry(offset=10**10), "takes bytes 10,000,000,000"),
        (entry(shape=(3, 2**64 - 24)), "a tensor has shape (3, -24)"),
        (entry(kind=7), "is of TensorFlow's type 7"),
        (entry(shard=4), "variables.data-00004-of-00001"),
        (b"\xff" * 12, "a number in it does not end"),
    ],
    ids=["huge", "lying", "far", "negative", "text", "shard", "garbage"],
)
def test_an_index_that_lies_is_refused(copy, tmp_path, said, says):
    """With every checksum right: about shape, place, type and file."""
    rewritten(copy, lambda entries: entries.update({KERNEL: said}))
    assert says in refused(copy, "-o", tmp_path / "m.safetensors")


def test_an_index_that_tells_the_truth_is_read_back(copy, tmp_path):
    """So that the refusals above are of what they say."""
    rewritten(copy, lambda entries: None)
    assert run(copy, "-q", "--no-compare", "-o", tmp_path / "m.safetensors").exit_code == 0


def test_numbers_that_are_none_are_refused(copy, tmp_path):
    """A NaN among the weights."""
    content = bytearray((copy / DATA).read_bytes())
    content[: len(content) // 2] = b"\xff" * (len(content) // 2)
    (copy / DATA).write_bytes(content)
    assert "not finite" in refused(copy, "-o", tmp_path / "m.safetensors")


def graph_of(path: Path, functions: list[bytes], call: str) -> None:
    """A graph that calls a function of x and gives what it gives."""
    attribute = field(5, field(1, b"f") + field(2, field(10, field(1, call.encode()))))
    nodes = [
        field(1, b"x") + field(2, b"Placeholder"),
        field(1, b"y") + field(2, b"PartitionedCall") + field(3, b"x") + attribute,
    ]
    graph = b"".join(field(1, node) for node in nodes) + field(2, b"".join(field(1, f) for f in functions))
    shape = b"".join(field(2, field(1, n)) for n in (2**64 - 1, 2**64 - 1, 3))
    ends = [field(1, name) + field(3, shape) for name in (b"x:0", b"y:0")]
    signature = b"".join(field(k + 1, field(1, b"k") + field(2, end)) for k, end in enumerate(ends))
    meta = field(2, graph) + field(5, field(1, b"serving_default") + field(2, signature))
    path.write_bytes(field(2, meta))


def function(name: str, *calls: str) -> bytes:
    """A function of x that calls others, one after the other."""
    signature = field(1, name.encode()) + field(2, field(1, b"x")) + field(3, field(1, b"y"))
    nodes, last = b"", b"x"
    for k, called in enumerate(calls):
        attribute = field(5, field(1, b"f") + field(2, field(10, field(1, called.encode()))))
        nodes += field(3, field(1, b"n%d" % k) + field(2, b"PartitionedCall") + field(3, last) + attribute)
        last = b"n%d:output:0" % k
    return field(1, signature) + nodes + field(4, field(1, b"y") + field(2, last))


@pytest.mark.parametrize(
    "functions",
    [
        [function("f0", "f0")],
        [function(f"f{k}", f"f{k + 1}", f"f{k + 1}") for k in range(20)] + [function("f20")],
        [function("f0", *["f1"] * 5000), function("f1")],
        [function("f0", "gone")],
    ],
    ids=["itself", "doubling", "long", "gone"],
)
def test_calls_that_never_end_are_refused(copy, tmp_path, functions):
    """Of itself, a million by doubling, or of what is not there."""
    graph_of(copy / GRAPH, functions, "f0")
    refused(copy, "-o", tmp_path / "m.safetensors")
