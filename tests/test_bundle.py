"""A bundle is checked as a whole before any part of it is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_lstm.bundle import DEPLOYMENT, Bundle
from edge_lstm.errors import BundleError, ModelError
from edge_lstm.model import FloatModel
from edge_lstm.streaming import Stream

BROKEN = Path(__file__).parent / "broken" / "bundle"

FAULTS = {
    "no_manifest": "no_manifest: has no manifest.json, so it is not a bundle",
    "not_json": "manifest.json: is not JSON",
    "not_a_table": "manifest.json: bundle schema None, this version reads 1",
    "newer_schema": "manifest.json: bundle schema 2, this version reads 1",
    "no_interface": "'interface' is missing or is not a table",
    "files_is_a_list": "'files' is missing or is not a table",
    "interface_of_nothing": r"'interface' is incomplete or changed \('task'\)",
    "missing_file": "float.safetensors: is in the manifest but cannot be read",
    "cut_file": "float.safetensors: has 4 B, the manifest says 5 B",
    "changed_file": "float.safetensors: was changed: sha256 d3751d33f9cd…, the manifest says 2cf24dba5fb0…",
    "no_digest": "'float.safetensors' lacks its sha256 or its bytes",
    "file_outside": "the file '../changed_file/float.safetensors' lies outside the bundle",
    "name_with_a_nul": r"the file 'float\\x00.safetensors' lies outside the bundle",
    "too_deep": r"manifest.json: is not JSON \(maximum recursion depth exceeded",
    "not_a_model": "float.safetensors: not a .safetensors file",
}


def test_every_broken_bundle_has_its_fault_written_down():
    """A folder added is a claim added here."""
    assert {path.name for path in BROKEN.iterdir()} == set(FAULTS)


@pytest.mark.parametrize("case", FAULTS)
def test_a_broken_bundle_is_refused_in_one_line(case):
    """The message names the file and what differs; exit code 2."""
    with pytest.raises((BundleError, ModelError), match=FAULTS[case]) as caught:
        Bundle.open(BROKEN / case).model("float")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_or_nothing_is_no_bundle(tmp_path):
    """A path that is no folder is refused as such."""
    with pytest.raises(BundleError, match="is not a directory"):
        Bundle.open(tmp_path / "nothing")


def test_a_whole_bundle_gives_its_parts(bundles):
    """Models by arithmetic, interface, digests and paths."""
    bundle = Bundle.open(bundles("forecast"))
    assert bundle.name == "forecast"
    assert bundle.arithmetics == ("native", "tflite", "tflm", "step", "float")
    assert isinstance(bundle.float_model, FloatModel)
    assert bundle.interface.channels == bundle.model("native").interface.channels
    assert bundle.file("float.safetensors").is_file()
    assert len(bundle.digest("float.safetensors")) == 64
    for ask in (bundle.library, lambda: bundle.file("c/model.c"), lambda: bundle.golden("native")):
        with pytest.raises(BundleError, match=r"has no .*; export it again"):
            ask()
    with pytest.raises(BundleError, match="holds no arithmetic 'int4'; it holds native, tflite, tflm, step, float"):
        bundle.model("int4")


@pytest.mark.parametrize("name", ["integer/native.safetensors", "integer/tflite.safetensors", "float.safetensors"])
def test_one_changed_byte_anywhere_is_found(own_bundle, name):
    """A flipped bit in any file refuses the bundle and names the file."""
    content = bytearray((own_bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: was changed"):
        Bundle.open(own_bundle)


def test_an_interface_that_is_not_the_models_is_refused(own_bundle):
    """The manifest is what others read: a scaling edited there must not pass for the model's."""
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    manifest["interface"]["scaling"]["offset"][0] += 1
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"manifest.json: 'interface' is not the one in integer/native.safetensors"):
        Bundle.open(own_bundle).model("native")


def test_files_that_the_manifest_does_not_name_are_left_alone(own_bundle):
    """A user's notes beside the model are no fault, and no part of it."""
    (own_bundle / "notes.txt").write_text("mine")
    assert not Bundle.open(own_bundle).has("notes.txt")


def test_a_bundle_without_integers_has_the_float_arithmetic_alone(own_bundle):
    """What export writes without --int8."""
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    manifest["files"] = {"float.safetensors": manifest["files"]["float.safetensors"]}
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    assert Bundle.open(own_bundle).arithmetics == ("float",)


def deployed(bundle: Path, files: list[str]) -> None:
    """Leave the bundle with some of its files, as on a board."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name in manifest["files"].keys() - set(files):
        (bundle / name).unlink()
    (bundle / DEPLOYMENT).write_text(json.dumps({"schema": 1, "files": files}))


def test_a_deployed_part_of_a_bundle_is_a_bundle_of_what_was_deployed(own_bundle: Path) -> None:
    """What was left out is not there; what asks for it is told to deploy it."""
    deployed(own_bundle, ["integer/native.safetensors"])
    bundle = Bundle.open(own_bundle)
    assert bundle.arithmetics == ("native",)
    assert not bundle.has("float.safetensors")
    with pytest.raises(BundleError, match=r"float\.safetensors was not deployed here; deploy the bundle again"):
        bundle.file("float.safetensors")
    assert len(Stream(own_bundle).push_many(np.zeros((3, 3)))) == 3


def test_what_was_deployed_must_be_whole(own_bundle: Path) -> None:
    """A deployment excuses the files it does not list, and no others."""
    deployed(own_bundle, ["integer/native.safetensors"])
    file = own_bundle / "integer/native.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match="copy or export the bundle again"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 2, "files": []}', '{"schema": 1, "files": {}}', '{"schema": 1}']
)
def test_a_damaged_deployment_is_refused(own_bundle: Path, text: str) -> None:
    """It never means that files may be missing."""
    (own_bundle / DEPLOYMENT).write_text(text)
    with pytest.raises(BundleError, match="cannot be read as a deployment"):
        Bundle.open(own_bundle)
