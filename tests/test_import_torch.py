"""PyTorch state dicts become what ``nn.LSTM`` and ``nn.Linear`` compute. What else a pickle asks for is refused."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch_files
from import_runs import alone, model_in, refused, run
from models import float_model
from safetensors.numpy import save_file

from edge_lstm.importers import read
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.network import network_of
from edge_lstm.modelfile import load_model, save_model

FEATURES, UNITS, OUTPUTS = 3, 5, 2


def state_dict(layers: int = 1, bias: bool = True, prefix: str = "", dtype: Any = np.float32, seed: int = 0) -> Any:
    """As ``nn.LSTM(3, 5, layers, bias)`` and ``nn.Linear(5, 2, bias)`` name and shape their tensors."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for k in range(layers):
        width = FEATURES if k == 0 else UNITS
        tensors[f"{prefix}lstm.weight_ih_l{k}"] = rng.normal(0, 0.5, (4 * UNITS, width)).astype(dtype)
        tensors[f"{prefix}lstm.weight_hh_l{k}"] = rng.normal(0, 0.5, (4 * UNITS, UNITS)).astype(dtype)
        if bias:
            tensors[f"{prefix}lstm.bias_ih_l{k}"] = rng.normal(0, 0.5, 4 * UNITS).astype(dtype)
            tensors[f"{prefix}lstm.bias_hh_l{k}"] = rng.normal(0, 0.5, 4 * UNITS).astype(dtype)
    tensors[f"{prefix}fc.weight"] = rng.normal(0, 1, (OUTPUTS, UNITS)).astype(dtype)
    if bias:
        tensors[f"{prefix}fc.bias"] = rng.normal(0, 1, OUTPUTS).astype(dtype)
    return tensors


def as_documented(tensors: Mapping[str, Any], layers: int, x: Any) -> Any:
    """The equations of PyTorch's documentation of nn.LSTM, in float64; (B, T, F) → (B, T, O).

    i = σ(W_ii x + b_ii + W_hi h + b_hi), and f, g, o alike in this order;  c' = f c + i g;  h' = o tanh(c').
    """

    def of(name: str) -> Any:
        found = next((value for key, value in tensors.items() if key.endswith(name)), np.zeros(1))
        return found.astype(np.float64)

    for k in range(layers):
        h = c = np.zeros((len(x), UNITS))
        outputs = []
        for t in range(x.shape[1]):
            z = (
                x[:, t] @ of(f"weight_ih_l{k}").T
                + of(f"bias_ih_l{k}")
                + h @ of(f"weight_hh_l{k}").T
                + of(f"bias_hh_l{k}")
            )
            i, f, g, o = np.split(z, 4, axis=1)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            outputs.append(h)
        x = np.stack(outputs, axis=1)
    return x @ of("fc.weight").T + of("fc.bias")


def save_safetensors(path: Path, tensors: Mapping[str, Any]) -> Path:
    save_file(dict(tensors), path)
    return path


SAVERS = {".safetensors": save_safetensors, ".pt": torch_files.save, ".pth": torch_files.save}


@pytest.mark.parametrize("ending", SAVERS)
@pytest.mark.parametrize(("layers", "bias", "prefix"), [(1, True, ""), (2, False, "net."), (3, True, "module.a.b.")])
def test_an_import_computes_the_equations_of_the_documentation(tmp_path, ending, layers, bias, prefix):
    """Two biases are added, gates are i, f, g, o; whatever the prefix and in each format."""
    tensors = state_dict(layers, bias, prefix)
    path = SAVERS[ending](tmp_path / f"m{ending}", tensors)
    x = np.random.default_rng(1).normal(0, 1, (4, 9, FEATURES))
    wanted = as_documented(tensors, layers, x)
    for ours in outputs_as_in_file(network_of(read(path), path), model_in(path), x):
        # The sum of two biases is rounded to float32 once.
        assert np.abs(ours - wanted).max() <= BOUND * np.abs(wanted).max()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("ending", SAVERS)
def test_other_floats_are_taken(tmp_path, ending, dtype):
    """As float32."""
    tensors = state_dict(dtype=dtype)
    path = SAVERS[ending](tmp_path / f"m{ending}", tensors)
    assert np.array_equal(model_in(path).head.weights, tensors["fc.weight"].astype(np.float32))


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict"])
def test_a_checkpoint_is_taken_by_its_state_dict(tmp_path, key):
    """Beside numbers and texts, which say nothing of the network."""
    path = torch_files.save(tmp_path / "m.pt", state_dict(), lambda state: {"epoch": 3, key: state, "note": "x"})
    assert run(path, "-o", tmp_path / "m.safetensors").exit_code == 0


def test_a_tensor_may_be_a_view_of_its_storage(tmp_path):
    """A transposed one, as it lies in memory."""
    tensors = state_dict()
    kernel = tensors["lstm.weight_ih_l0"]
    tensors["lstm.weight_ih_l0"] = np.asfortranarray(kernel)
    path = torch_files.save(tmp_path / "m.pt", tensors)
    assert np.array_equal(model_in(path).layers[0].kernel.reshape(-1, FEATURES), kernel)


def test_the_command_says_what_was_supposed_and_that_nothing_was_compared(tmp_path):
    """A state dict holds no program that could be run."""
    done = run(torch_files.save(tmp_path / "m.pt", state_dict()), "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0
    assert "not compared: a state dict holds no program" in done.stdout
    assert "supposed in this order" in done.stderr
    assert load_model(tmp_path / "m.safetensors").interface.provenance == {
        "imported": {"format": "pytorch", "file": "m.pt"}
    }


def changed(**tensors: Any) -> dict[str, Any]:
    return state_dict() | {name.replace("__", "."): value for name, value in tensors.items()}


ZEROS = {
    shape: np.zeros(shape, np.float32)
    for shape in ((20, 3), (3, 5), (15, 5), (5, 5), (20, 5), (7,), (3, 5, 2, 2), (2, 6))
}
REFUSED = {
    "half backwards": (changed(lstm__weight_ih_l0_reverse=ZEROS[20, 3]), "(bidirectional LSTM): has no weight_hh"),
    "projection of another layer": (changed(lstm__weight_hr_l0=ZEROS[3, 5]), "weight_hr has shape (3, 5)"),
    "kernel of another cell": (changed(lstm__weight_hh_l0=ZEROS[15, 5]), "expected (15, features)"),
    "no cell": (changed(lstm__weight_hh_l0=ZEROS[3, 5]), "expected (4 units, units) of an LSTM"),
    "two heads": (changed(other__weight=ZEROS[2, 6]), "give --activations with"),
    "batch norm": (changed(norm__running_mean=ZEROS[7,]), "norm.running_mean"),
    "convolution of images": (changed(conv__weight=ZEROS[3, 5, 2, 2]), "conv.weight"),
    "bias": (changed(lstm__bias_hh_l0=ZEROS[7,]), "a bias has shape (7,)"),
    "no lstm": ({"fc.weight": ZEROS[3, 5]}, "holds no recurrent layer"),
    "half of it": ({"lstm.weight_ih_l0": ZEROS[20, 3]}, "has no weight_hh"),
    "nan": (changed(fc__bias=np.array([np.nan, 0], np.float32)), "not finite"),
    "beyond float32": (changed(fc__bias=np.array([1e300, 0])), "not finite"),
    "head of other units": (changed(fc__weight=ZEROS[2, 6]), "takes 6 numbers a step but is given 5"),
}


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_network_is_refused_by_name(tmp_path, ending, name):
    """One line that names it, exit code 2."""
    tensors, says = REFUSED[name]
    assert says in refused(SAVERS[ending](tmp_path / f"m{ending}", tensors), "-o", tmp_path / "new.safetensors")


def test_a_model_of_ours_is_no_import(tmp_path):
    """Export takes it as it is."""
    save_model(float_model(), tmp_path / "m.safetensors")
    assert "is a model of edge-lstm already" in refused(tmp_path / "m.safetensors", "--check")


def test_somebodys_file_is_not_replaced(tmp_path):
    """The original itself least of all."""
    path = save_safetensors(tmp_path / "m.safetensors", state_dict())
    before = path.read_bytes()
    assert "exists and is no model file" in refused(path, "-o", path)
    assert path.read_bytes() == before


# ---- files made to hurt ----


class Asking:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Asking(os.system, "touch pwned"), "posix.system"),
        (Asking(eval, "1"), "builtins.eval"),
        (Asking(getattr, {}, "keys"), "builtins.getattr"),
        (Path("x"), "pathlib.PosixPath"),
        ({"a": np.zeros(3)}, "numpy"),
    ],
    ids=["system", "eval", "getattr", "path", "numpy"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_asks_for_more_than_tensors_is_refused(tmp_path, monkeypatch, value, says, protocol):
    """By the name of what it asks for, before it is called; later protocols by the opcode."""
    monkeypatch.chdir(tmp_path)
    path = torch_files.write(tmp_path / "m.pt", pickle.dumps(value, protocol), {})
    text = refused(path, "--check")
    assert says.replace("builtins", "__builtin__" if protocol < 3 else "builtins") in text or "opcode" in text
    assert not (tmp_path / "pwned").exists()


def test_a_whole_module_is_refused_by_its_class(tmp_path):
    """torch.save(model) instead of its state dict."""
    content = b"\x80\x02c__main__\nNet\nq\x00)\x81."
    assert "opcode NEWOBJ" in refused(torch_files.write(tmp_path / "m.pt", content, {}), "--check")
    content = b"\x80\x02c__main__\nNet\nq\x00)R."
    assert "asks for __main__.Net" in refused(torch_files.write(tmp_path / "m.pt", content, {}), "--check")


HOSTILE_PICKLES = {
    "memo of 2 GB": b"\x80\x02}r\x00\x00\x00\x08.",
    "text of 4 GB": b"\x80\x02X\xff\xff\xff\xffabc.",
    "no end": b"\x80\x02}q\x00",
    "empty": b"",
    "class set up by BUILD": b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.",
    "storage called": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "list": b"\x80\x02]q\x00.",
    "storage of another kind": b"\x80\x02(U\x07storageU\x01xU\x010U\x01cK\x01tQ.",
    "deep": b"\x80\x02" + b"(" * 200_000 + b".",
}


@pytest.mark.parametrize("name", HOSTILE_PICKLES)
def test_a_hostile_pickle_is_one_line(tmp_path, name):
    """At once, and in little memory."""
    refused(torch_files.write(tmp_path / "m.pt", HOSTILE_PICKLES[name], {}), "--check")


def test_a_storage_shorter_than_its_tensor_is_refused(tmp_path):
    """What is said against what is there."""
    good = torch_files.save(tmp_path / "m.pt", state_dict())
    bad = tmp_path / "n.pt"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[: 8 if name.endswith("data/0") else None])
    assert "storage 0 has 8 B" in refused(bad, "--check")


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    """Strides of zero could make 10 GB of one number."""
    wide = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (50_000, 50_000), (0, 0))
    stored = torch_files.Stored(wide, "0")
    with torch_files.names_of_torch():
        content = torch_files.pickled({"a.weight": stored})
    content = content.replace(pickle.dumps(wide.size, 2)[2:-1], pickle.dumps(1, 2)[2:-1])
    path = torch_files.write(tmp_path / "m.pt", content, {"0": bytes(4)})
    assert "does not fit its storage of 1" in refused(path, "--check")


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_truncated_file_is_one_line(tmp_path, ending):
    """Cut at every few hundredths."""
    content = SAVERS[ending](tmp_path / f"m{ending}", state_dict()).read_bytes()
    for k in range(0, 100, 4):
        (tmp_path / f"cut{ending}").write_bytes(content[: len(content) * k // 100])
        assert "not a whole" in refused(tmp_path / f"cut{ending}", "--check")


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_damage_never_ends_in_a_traceback(tmp_path, ending, seed):
    """Random bytes changed, most of them where the structure is: imported, or refused in one line."""
    content = bytearray(SAVERS[ending](tmp_path / f"m{ending}", state_dict()).read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 3).tolist() + rng.integers(0, 900, 4).tolist():
        content[place if ending == ".safetensors" or rng.random() < 0.5 else -1 - place] = rng.integers(0, 256)
    (tmp_path / f"m{ending}").write_bytes(content)
    done = run(tmp_path / f"m{ending}", "-q", "-o", tmp_path / "new.safetensors")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["memo of 2 GB", "text of 4 GB", "header of 10 GB"])
def test_what_a_file_claims_is_not_taken_from_memory(tmp_path, name):
    """A process that refuses it stays at what its libraries take."""
    path = tmp_path / "m.safetensors"
    if name in HOSTILE_PICKLES:
        path = torch_files.write(tmp_path / "m.pt", HOSTILE_PICKLES[name], {})
    else:
        path.write_bytes(struct.pack("<Q", 10 * 2**30) + b"{}")
    done = alone(path, tmp_path)
    assert done.code == 2
    assert done.kilobytes < 200_000


def test_a_member_whose_name_is_no_text_is_one_line(tmp_path):
    """Marked as UTF-8 in the directory of the zip, and not so."""
    path = torch_files.save(tmp_path / "m.pt", state_dict() | {"é": ZEROS[7,]})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("é", b"")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    assert "not a whole zip file" in refused(path, "--check")


def test_a_zip_of_several_disks_is_one_line(tmp_path):
    """As its last bytes may say; Python's reader raises where it only should tell whether it is a zip file."""
    path = torch_files.save(tmp_path / "m.pt", state_dict())
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 7)
    path.write_bytes(content[:end] + locator + content[end:])
    assert "not a whole zip file" in refused(path, "--check")


@pytest.mark.parametrize("length", [10 * 2**30, 2**63, 2**64 - 1])
def test_a_header_that_claims_gigabytes_is_one_line(tmp_path, length):
    """The length is held against the file."""
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    assert "not a whole .safetensors file" in refused(tmp_path / "m.safetensors", "--check")


def test_a_file_beyond_the_limit_is_not_opened(tmp_path):
    """A sparse one of 300 MB."""
    for ending in (".safetensors", ".pt", ".onnx", ".keras", ".h5"):
        with (tmp_path / f"m{ending}").open("wb") as file:
            file.truncate(300 * 2**20)
        assert "the limit is 268,435,456 B" in refused(tmp_path / f"m{ending}", "--check")


@pytest.mark.parametrize("name", ["m.txt", "m", "gone.pt", "."])
def test_what_is_no_file_of_these_is_one_line(tmp_path, name):
    """An ending that is not known, and a file that is not there."""
    (tmp_path / "m.txt").write_text("")
    refused(tmp_path / name, "--check")


def test_quantised_weights_name_their_type(tmp_path):
    """bfloat16 and integers are no floats that NumPy has."""
    save_file({"lstm.weight_ih_l0": np.zeros((20, 3), np.int8)}, tmp_path / "m.safetensors")
    assert "is of I8" in refused(tmp_path / "m.safetensors", "--check")
