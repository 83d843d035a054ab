"""Files made to hurt, of every format: one line, exit code 2, soon, and in little memory, each in its own process."""

from __future__ import annotations

import io
import json
import lzma
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
import torch_files
from import_runs import alone
from onnx import TensorProto, helper

from edge_lstm_export.tflite.graph import schema

HERE = Path(__file__).parent
CONVERTED = HERE / "converted"
SECONDS = 1.5
"""Of the processor: one, libraries of formats included, and half of one for a machine that does much else."""
KILOBYTES = 120_000
"""Of memory, of which a process with the library of its format takes 45 to 90 MB."""
UNITS, FEATURES = 5, 3

Make = Callable[[Path], Path]


# ---- Keras files, written without Keras ----


def config(units: int = UNITS, extra: Any = None, dense: str = "Dense") -> dict[str, Any]:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, None, FEATURES], "name": "in"}},
        *([extra] if extra else []),
        {"class_name": "LSTM", "config": {"name": "lstm", "units": units}},
        {"class_name": dense, "config": {"name": "dense", "units": 2}},
    ]
    return {"class_name": "Sequential", "config": {"layers": layers}}


def weights() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"kernel": (FEATURES, 4 * UNITS), "recurrent_kernel": (UNITS, 4 * UNITS), "bias": (4 * UNITS,)}
    found = {f"lstm/{name}": rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return found | {"dense/kernel": rng.normal(0, 1, (UNITS, 2)), "dense/bias": np.zeros(2)}


def h5(path: Path, change: Callable[[Any], None] | None = None, said: Any = None) -> Path:
    """A whole-model file; ``change(group of the weights)`` edits it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(said or config())
        group = file.create_group("model_weights")
        for name, values in weights().items():
            group.create_dataset(name, data=values.astype(np.float32))
        for layer in ("lstm", "dense"):
            group[layer].attrs["weight_names"] = [f"{layer}/{n}" for n in group[layer]]
            inner = group[layer].create_group(layer)
            for name in list(group[layer]):
                if name != layer:
                    inner[name] = group[layer][name]
        if change:
            change(group)
    return path


def keras(path: Path, text: str | None = None, more: Callable[[zipfile.ZipFile], None] | None = None) -> Path:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for layer, folder in (("lstm", "layers/lstm/cell/vars"), ("dense", "layers/dense/vars")):
            mine = [values for name, values in weights().items() if name.startswith(layer)]
            for k, values in enumerate(mine):
                file[f"{folder}/{k}"] = values.astype(np.float32)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(config()) if text is None else text)
        archive.writestr("model.weights.h5", content.getvalue())
        if more:
            more(archive)
    return path


def bomb(archive: zipfile.ZipFile) -> None:
    with archive.open("zeros", "w") as member:
        for _ in range(300):
            member.write(bytes(10**6))


def ten_gigabytes(group: Any) -> None:
    del group["lstm/lstm/kernel"]
    group.create_dataset("lstm/lstm/kernel", (25_000, 100_000), "f4", chunks=(1000, 1000), compression="gzip")


def circle(group: Any) -> None:
    del group["lstm/lstm/kernel"]
    group["lstm/lstm/kernel"] = h5py.SoftLink("/model_weights/lstm/lstm/kernel")


def unpacked(name: str) -> Make:
    return lambda folder: _write(folder / "m.h5", lzma.decompress((HERE / "broken_models" / f"{name}.xz").read_bytes()))


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# ---- the other formats ----


def onnx_of(path: Path, change: Callable[[Any], None]) -> Path:
    node = helper.make_node("LSTM", ["x", "W", "R"], ["y"], hidden_size=UNITS)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1, FEATURES])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    shapes = {"W": (1, 4 * UNITS, FEATURES), "R": (1, 4 * UNITS, UNITS)}
    tensors = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y], tensors))
    change(model.graph)
    return _write(path, model.SerializeToString())


def _dims(*dims: int) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        graph.initializer[0].dims[:] = dims

    return change


def nested(path: Path, depth: int) -> Path:
    """A message in a message in a message…, as a graph in an attribute of a node of a graph."""
    content = b""
    for _ in range(depth):
        content = b"\x0a" + _varint(len(content)) + content
    return _write(path, b"\x3a" + _varint(len(content)) + content)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def tflite(path: Path, change: Callable[[Any], None]) -> Path:
    import flatbuffers

    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAs((CONVERTED / "last.tflite").read_bytes(), 0))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return _write(path, bytes(builder.Output()))


def aliased(model: Any) -> None:
    """Twenty thousand constants that all are one buffer of 4 MB, and say so in their shapes."""
    graph = model.subgraphs[0]
    first = graph.tensors[graph.operators[0].inputs[1]]
    model.buffers[first.buffer].data = np.zeros(2**22, np.uint8)
    for k in range(1, 9):
        tensor = graph.tensors[graph.operators[0].inputs[k]]
        tensor.buffer, tensor.shape = first.buffer, [1024, 1024]
    graph.tensors += [first] * 19_000


def ones(model: Any) -> None:
    """Every operator has the largest list of operands."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        operator.inputs = [0] * 10**6


def lengths(path: Path) -> Path:
    """Every four bytes that could be a length say four thousand million, one after the other, in files of their own."""
    content = (CONVERTED / "last.tflite").read_bytes()
    numbers = np.frombuffer(content[: len(content) // 4 * 4], "<u4").copy()
    numbers[(numbers > 0) & (numbers < 64)] = 2**32 - 1
    numbers[:2] = np.frombuffer(content[:8], "<u4")
    return _write(path, numbers.tobytes())


def saved_model(folder: Path) -> Path:
    with tarfile.open(CONVERTED / "keras2.tar.xz") as archive:
        archive.extractall(folder / "saved", filter="data")
    return folder / "saved"


def with_index(folder: Path, content: bytes) -> Path:
    path = saved_model(folder)
    (path / "variables" / "variables.index").write_bytes(content)
    return path


def with_graph(folder: Path, content: bytes) -> Path:
    path = saved_model(folder)
    (path / "saved_model.pb").write_bytes(content)
    return path


def sparse(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(10 * 2**30)
    return path


def torch(folder: Path, content: bytes) -> Path:
    return torch_files.write(folder / "m.pt", content, {})


LAMBDA = {"class_name": "Lambda", "config": {"name": "code", "function": "gASVAA=="}}

HOSTILE: dict[str, tuple[Make, str]] = {
    "keras: zip bomb": (lambda f: keras(f / "m.keras", more=bomb), "unpacks to"),
    "keras: outside": (
        lambda f: keras(f / "m.keras", more=lambda a: a.writestr("../../x", b"")),
        "outside the archive",
    ),
    "keras: many members": (
        lambda f: keras(f / "m.keras", more=lambda a: [a.writestr(str(k), b"") for k in range(20_000)]),  # type: ignore[arg-type]
        "the limit is 10,000",
    ),
    "keras: a million units": (lambda f: keras(f / "m.keras", json.dumps(config(10**6))), "the limit is 4096"),
    "keras: Lambda": (lambda f: keras(f / "m.keras", json.dumps(config(extra=LAMBDA))), "never run"),
    "keras: deep": (lambda f: keras(f / "m.keras", "[" * 10**6), "is not JSON"),
    "keras: large number": (lambda f: keras(f / "m.keras", "9" * 10**6), "is not JSON"),
    "keras: many layers": (
        lambda f: keras(f / "m.keras", json.dumps(config() | {"config": {"layers": [LAMBDA] * 20_000}})),
        "code",
    ),
    "h5: 10 GB": (lambda f: h5(f / "m.h5", ten_gigabytes), "has shape (25000, 100000)"),
    "h5: a million units": (lambda f: h5(f / "m.h5", said=config(10**6)), "the limit is 4096"),
    "h5: a link to itself": (lambda f: h5(f / "m.h5", circle), "not a whole HDF5 file"),
    "h5: loops in its library": (unpacked("loops.h5"), "save the model again"),
    "h5: takes memory in its library": (unpacked("takes_memory.h5"), "save the model again"),
    "onnx: 10 GB": (lambda f: onnx_of(f / "m.onnx", _dims(1, 10**5, 10**5)), "the limit is"),
    "onnx: a million units": (lambda f: onnx_of(f / "m.onnx", _dims(1, 4 * 10**6, 3)), "its shape"),
    "onnx: deep": (lambda f: nested(f / "m.onnx", 20_000), "not a whole ONNX file"),
    "safetensors: 10 GB": (
        lambda f: _write(f / "m.safetensors", struct.pack("<Q", 10 * 2**30) + b"{}"),
        "not a whole .safetensors file",
    ),
    "safetensors: deep": (
        lambda f: _write(f / "m.safetensors", struct.pack("<Q", 10**6) + b'{"a":' + b"[" * (10**6 - 5)),
        "not a whole .safetensors file",
    ),
    "pt: memo": (lambda f: torch(f, b"\x80\x02}r\x00\x00\x00\x08."), "counts"),
    "pt: text of 4 GB": (lambda f: torch(f, b"\x80\x02X\xff\xff\xff\xffabc."), "damaged"),
    "pt: a program": (lambda f: torch(f, pickle.dumps(shutil.rmtree, 2)), "asks for shutil.rmtree"),
    "tflite: lengths": (lambda f: lengths(f / "m.tflite"), "m.tflite"),
    "tflite: one buffer for all": (lambda f: tflite(f / "m.tflite", aliased), "expected (1024, 3)"),
    "tflite: operands": (lambda f: tflite(f / "m.tflite", ones), "the limit is 1,024"),
    "tflite: noise": (
        lambda f: _write(f / "m.tflite", b"\x08\0\0\0TFL3" + np.random.default_rng(0).bytes(10**6)),
        "not a whole .tflite file",
    ),
    "saved model: index of 10 GB": (
        lambda f: sparse(saved_model(f) / "variables" / "variables.index").parent.parent,
        "the limit is 268,435,456 B",
    ),
    "saved model: index of noise": (lambda f: with_index(f, bytes(10**6)), "does not end as a table"),
    "saved model: graph of 10 GB": (lambda f: sparse(saved_model(f) / "saved_model.pb").parent, "the limit is"),
    "saved model: graph of small fields": (lambda f: with_graph(f, b"\x08\x01" * 5 * 10**5), "holds no graph"),
    "saved model: deep": (
        lambda f: with_graph(f, nested(f / "x", 20_000).read_bytes()),
        "holds no graph",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_made_to_hurt_is_one_line_soon_and_in_little_memory(tmp_path, name):
    """What it says, its exit code, its seconds of the processor and its memory at most."""
    make, says = HOSTILE[name]
    done = alone(make(tmp_path), tmp_path)
    assert says in done.stderr
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert done.seconds < SECONDS
    assert done.kilobytes < KILOBYTES


@pytest.mark.parametrize("make", [lambda f: h5(f / "m.h5"), lambda f: keras(f / "m.keras"), saved_model])
def test_what_the_files_above_are_made_of_is_imported(tmp_path, make):
    """So that they are refused for what was done to them."""
    done = alone(make(tmp_path), tmp_path)
    assert (done.code, done.stderr) == (0, "")
