"""Bundles for accelerators: the installed Vela on real files, and the Edge TPU up to the compiler that is not here."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from models import calibrated, float_model
from stream_bundles import small_model

from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.cli.npu import edge_tpu_table, npu_table
from edge_lstm.errors import ExportError, MissingDependencyError, ProjectError
from edge_lstm.integer import Quant
from edge_lstm.modelfile import save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm.starter import start_project
from edge_lstm_calibration import quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.npu import NPUS, compile_with_vela, find_npu, for_accelerators, recommended, require_compilers
from edge_lstm_export.npu.edge_tpu import UNCHECKED, compile_for_edge_tpu, require_mappable
from edge_lstm_export.tflite import float_tflite, fused_tflite, operators, step_tflite
from edge_lstm_export.tflite.graph import Graph, schema

FUSED, STEP = "model_int8.tflite", "model_step_int8.tflite"
FAMILIES = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256")
STATES = ["layer0/h", "layer0/c", "layer1/h", "layer1/c"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Both int8 files of a model of two layers, 6 and 5 units."""
    model = small_model("classify")
    calibration = calibrated(model)
    return {
        FUSED: fused_tflite(quantise_tflite(model, calibration)),
        STEP: step_tflite(quantise_step(model, calibration)),
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A started project with a model that was not trained."""
    folder = tmp_path / "gestures"
    start_project(folder)
    interface = prepare(load_project(folder)).interface()
    model = small_model("classify").with_interface(task=interface.task, scaling=interface.scaling)
    save_model(model, folder / "build/gestures.safetensors")
    return folder


def unpacked(content: bytes):
    return schema().ModelT.InitFromObj(schema().Model.GetRootAsModel(content, 0))


@pytest.mark.parametrize("npu", NPUS)
def test_every_configuration_takes_both_files_whole(npu: str, files: dict[str, bytes]) -> None:
    """All operators on the NPU, one custom operator in the file, on every Ethos-U that Vela knows."""
    for source, states in ((FUSED, STATES), (STEP, [])):
        placement = compile_with_vela(source, files[source], find_npu(npu), states)
        assert (placement.percent, placement.on_cpu) == (100.0, ())
        assert sum(placement.on_npu.values()) > 20
        assert placement.cycles >= placement.npu_cycles > 0
        assert placement.seconds == pytest.approx(placement.cycles / 500e6)
        model = unpacked(placement.content)
        assert [code.customCode for code in model.operatorCodes] == [b"ethos-u"]
        assert len(model.subgraphs[0].operators) == 1


@pytest.mark.parametrize("npu", FAMILIES)
def test_the_compiled_file_keeps_each_state_in_one_place_of_its_own(npu: str, files: dict[str, bytes]) -> None:
    """What the interpreter reads: a state goes in and comes out at one arena offset, and neither x nor y lies there."""
    model = unpacked(compile_with_vela(FUSED, files[FUSED], find_npu(npu), STATES).content)
    tensors = model.subgraphs[0].tensors
    plan = next(row for row in model.metadata if row.name == b"OfflineMemoryAllocation")
    _, _, _, *offsets = np.frombuffer(bytes(model.buffers[plan.buffer].data), "<i4")
    width = {schema().TensorType.INT8: 1, schema().TensorType.INT16: 2}
    places: dict[str, set[tuple[int, int]]] = {}
    for tensor, offset in zip(tensors, offsets, strict=True):
        if tensor.type in width:
            end = offset + int(np.prod(tensor.shape)) * width[tensor.type]
            places.setdefault(tensor.name.decode(), set()).add((offset, end))
    assert all(len(place) == 1 for place in places.values())
    assert {t.name.decode() for t in tensors if t.isVariable} == set(STATES)
    taken = {name: next(iter(place)) for name, place in places.items()}
    for state in STATES:
        first, last = taken[state]
        assert [n for n, (a, b) in taken.items() if n != state and a < last and first < b] == []


def test_the_compiled_file_resets_a_state_to_its_zero_point(files: dict[str, bytes]) -> None:
    """The interpreter fills variables with their zero point, which Vela must not lose."""
    model = unpacked(compile_with_vela(FUSED, files[FUSED], find_npu("ethos-u55-128"), STATES).content)
    zero = {t.name: t.quantization.zeroPoint[0] for t in unpacked(files[FUSED]).subgraphs[0].tensors if t.isVariable}
    assert any(zero.values())
    assert {t.name: t.quantization.zeroPoint[0] for t in model.subgraphs[0].tensors if t.isVariable} == zero


def test_a_tensor_that_is_no_state_does_not_survive(files: dict[str, bytes]) -> None:
    """The output shares its place with intermediates, so it is refused as a state; so is a name that is not there."""
    npu = find_npu("ethos-u55-128")
    with pytest.raises(ExportError, match=r"the state y shares its place with .* use the CPU"):
        compile_with_vela(FUSED, files[FUSED], npu, ["y"])
    with pytest.raises(ExportError, match=r"the state layer7/h has 0 places in the arena"):
        compile_with_vela(FUSED, files[FUSED], npu, ["layer7/h"])


@pytest.mark.parametrize("npu", FAMILIES)
def test_the_same_file_gives_the_same_bytes(npu: str, files: dict[str, bytes]) -> None:
    """Two runs of Vela, in folders of their own: a bundle exported twice stays the same."""
    once, again = (for_accelerators(files, [6, 5], npu, False) for _ in range(2))
    assert once == again
    assert set(once[0]) == {f"npu/{npu}/model_int8_vela.tflite", f"npu/{npu}/model_step_int8_vela.tflite"}


def test_without_a_fused_file_the_explicit_state_one_is_compiled_alone() -> None:
    """Recommended as it is: there is no other to compare it with."""
    model = small_model("classify", cells=("gru", "rnn"))
    content = step_tflite(quantise_step(model, calibrated(model)))
    compiled, tables = for_accelerators({STEP: content}, [6, 5], "ethos-u55-128", False)
    (path,) = compiled
    assert (tables["npu"]["recommended"], tables["npu"]["caution"]) == (path, None)
    assert tables["npu"]["files"][path]["percent"] == 100.0


def with_floor() -> bytes:
    """A file with an operator that no Ethos-U has, between two that it has."""
    graph, quant = Graph("a test"), Quant(0.05, 0)

    def dense(x: int, name: str) -> int:
        weights = graph.tensor(f"{name}/W", np.int8, (4, 4), Quant(0.01), np.eye(4) * 100)
        bias = graph.tensor(f"{name}/b", np.int32, (4,), Quant(0.0005), np.zeros(4))
        y = graph.tensor(name, np.int8, (1, 4), quant)
        operators.fully_connected(graph, x, weights, bias, y)
        return y

    x = graph.tensor("x", np.int8, (1, 4), quant)
    odd = graph.tensor("odd", np.int8, (1, 4), quant)
    graph.operator("FLOOR", [dense(x, "first")], [odd])
    graph.finish([x], [dense(odd, "last")])
    return graph.serialise()


def test_operators_left_to_the_cpu_are_named_with_velas_reason(files: dict[str, bytes]) -> None:
    """Kind, tensor and reason, in the value, in JSON and in the text; such a file is not recommended."""
    npu = find_npu("ethos-u55-128")
    mixed = compile_with_vela("mixed.tflite", with_floor(), npu)
    assert [vars(each) for each in mixed.on_cpu] == [
        {"operator": "Floor", "tensor": "odd", "reason": "Unsupported opType"}
    ]
    assert mixed.percent == pytest.approx(200 / 3)
    assert recommended([mixed]) is None
    whole = compile_with_vela(STEP, files[STEP], npu)
    assert whole.cycles > mixed.cycles
    assert recommended([mixed, whole]) is whole
    row = {"source": mixed.source, **mixed.to_json()}
    assert json.loads(json.dumps(row)) == row
    table = {"files": {"f": row}, "recommended": None, "caution": None, "compiler": "Vela", "unchecked": "-"}
    assert "mixed.tflite: on the CPU: Floor odd: Unsupported opType\n" in npu_table(table)
    assert "recommended: none" in npu_table(table)


def test_of_two_whole_files_the_fused_one_is_recommended(files: dict[str, bytes]) -> None:
    """The other may be quicker by estimate, but keeps its cell state in 8 bits; being wholly on the NPU comes first."""
    compiled, tables = for_accelerators(files, [6, 5], "ethos-u65-256", False)
    rows = tables["npu"]["files"]
    assert [row["source"] for row in rows.values()] == [FUSED, STEP]
    assert rows[tables["npu"]["recommended"]]["source"] == FUSED
    assert tables["npu"]["caution"] is None
    fused, step = (compile_with_vela(name, files[name], find_npu("ethos-u65-256")) for name in (FUSED, STEP))
    assert recommended([step, fused]) is fused
    assert recommended([replace(fused, on_cpu=("an operator",)), step]) is step
    assert compiled.keys() == rows.keys()


def test_vela_failing_is_one_line_with_its_own_reason() -> None:
    """No traceback: a file Vela cannot read, and one whose operator breaks a rule, which is quoted."""
    npu = find_npu("ethos-u55-128")
    with pytest.raises(ExportError, match=r"^bad\.tflite: Vela 5\.\S+ for ethos-u55-128: No networks .*without --npu"):
        compile_with_vela("bad.tflite", b"this is no flatbuffer", npu)
    model = float_model(3, (8,), 2)
    told = r"ethos-u55-128: UNIDIRECTIONAL_SEQUENCE_LSTM 'layer0/output' .* - IFM must be INT8 or INT16; export"
    with pytest.raises(ExportError, match=told) as error:
        compile_with_vela("float.tflite", float_tflite(model), npu)
    assert "\n" not in str(error.value)


def test_a_layer_of_one_unit_is_refused_before_vela_crashes_on_it() -> None:
    """Vela 5.2 ends in a segmentation fault there; a Vela that does not makes this fail, and the limit can go."""
    model = float_model(3, (4, 1), 2)
    content = fused_tflite(quantise_tflite(model, calibrated(model)))
    with pytest.raises(ExportError, match=r"model_int8\.tflite: Vela \S+ crashed with SIGSEGV"):
        compile_with_vela(FUSED, content, find_npu("ethos-u55-128"))
    with pytest.raises(ExportError, match="a layer has 1 unit, and Vela crashes on fewer than 2"):
        for_accelerators({FUSED: content}, [4, 1], "ethos-u55-128", False)


def test_an_unknown_npu_is_told_the_known_ones() -> None:
    """All of them, in one line."""
    with pytest.raises(ProjectError) as error:
        require_compilers("ethos-u55-129", False)
    assert str(error.value) == f"npu 'ethos-u55-129' is not known; choose from {', '.join(NPUS)}"
    assert len(NPUS) == 11


def test_a_missing_vela_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """Exit code 3 before any work, and no bundle."""
    found = importlib.metadata.version

    def version(name: str) -> str:
        if name == "ethos-u-vela":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr("edge_lstm_export.npu.vela.version", version)
    result = CliRunner().invoke(cli, ["export", "--project", str(project), "--int8", "--npu", "ethos-u55-128"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert "pip install 'edge-lstm[npu]'" in result.stderr
    assert [path.name for path in (project / "build").iterdir()] == ["gestures.safetensors"]


def test_export_puts_the_compiled_files_into_the_bundle(project: Path) -> None:
    """Listed with digest and arithmetic, told as JSON, and named among what was not checked."""
    result = CliRunner().invoke(
        cli, ["export", "--project", str(project), "--int8", "--npu", "ethos-u85-256", "--json"]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    bundle = Bundle.open(project / "build/gestures")
    fused, step = (f"npu/ethos-u85-256/{name}_vela.tflite" for name in ("model_int8", "model_step_int8"))
    assert bundle.file(fused).read_bytes()[4:8] == b"TFL3"
    assert bundle.manifest["arithmetics"][fused] == ["tflm"]
    assert bundle.manifest["arithmetics"][step] == ["step-tflm"]
    assert bundle.manifest["npu"] == told["accelerators"]["npu"]
    assert told["accelerators"]["npu"]["recommended"] in (fused, step)
    assert "unchecked" in told["accelerators"]["npu"]["unchecked"]
    assert {c["target"] for c in told["verification"]["checks"] if "not_run" in c} >= {fused, step}
    assert sum(fused in note for note in told["notes"]) == 1


@pytest.mark.parametrize("flag", [["--npu", "ethos-u55-128"], ["--edgetpu"]])
def test_a_float_bundle_has_nothing_for_an_accelerator(flag: list[str], project: Path) -> None:
    """Refused with the flag that is missing."""
    result = CliRunner().invoke(cli, ["export", "--project", str(project), "--float", *flag])
    assert result.exit_code == 2
    assert "export with --int8" in result.stderr


# The Edge TPU's compiler is closed and not installed here. What stands in for it below shows how we treat what a
# compiler says and does; it shows nothing about the real one.

Compiler = Callable[[str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """A shell script named edgetpu_compiler, alone on the PATH with the system's tools."""

    def install(script: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / "edgetpu_compiler"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    return install


def test_a_missing_edge_tpu_compiler_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """Exit code 3 before any work."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(MissingDependencyError):
        require_compilers("", True)
    result = CliRunner().invoke(cli, ["export", "--project", str(project), "--int8", "--edgetpu"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert "https://coral.ai/docs/edgetpu/compiler" in result.stderr


def test_what_the_edge_tpu_compiler_says_is_told_and_marked_unchecked(
    stand_in: Compiler, files: dict[str, bytes]
) -> None:
    """By a stand-in: its table of operators, its file, and the advice to stay on the CPU with so small a model."""
    stand_in(
        'for f; do last=$f; done; cp "$last" model_step_int8_edgetpu.tflite\n'
        "echo 'Edge TPU Compiler version 16.0'; echo 'Operator Count Status'; echo\n"
        "echo 'FULLY_CONNECTED  9  Mapped to Edge TPU'; echo 'TANH 4 More than one subgraph is not supported'"
    )
    compiled, tables = for_accelerators(files, [6, 5], "", True)
    table = tables["edgetpu"]
    assert compiled == {"edgetpu/model_step_int8_edgetpu.tflite": files[STEP]}
    assert table["operators"] == [
        ["FULLY_CONNECTED", 9, "Mapped to Edge TPU"],
        ["TANH", 4, "More than one subgraph is not supported"],
    ]
    macs = 4 * 6 * (3 + 6) + 4 * 5 * (6 + 5) + 3 * 5
    assert (table["recommended"], table["unchecked"]) == ("cpu", UNCHECKED)
    assert table["advice"].startswith(f"stay on the CPU: {macs} multiplications")
    text = edge_tpu_table(table)
    assert text.splitlines()[-1] == UNCHECKED
    assert "stay on the CPU" in text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo 'Edge TPU Compiler version 16'; echo 'Internal compiler error. Aborting!'; exit 1",
            "Internal compiler error",
        ),
        ("echo 'Compilation failed!'", "Compilation failed!"),
        ("exit 1", "failed and said nothing"),
        ("kill -SEGV $$", "crashed with SIGSEGV"),
    ],
)
def test_an_edge_tpu_compiler_that_fails_is_an_error(
    stand_in: Compiler, files: dict[str, bytes], script: str, words: str
) -> None:
    """By a stand-in: whatever its exit code, no file means failure, and its first complaint is told."""
    stand_in(script)
    with pytest.raises(ExportError, match=words):
        compile_for_edge_tpu(STEP, files[STEP])


def test_a_model_too_wide_or_too_heavy_is_doubted(stand_in: Compiler) -> None:
    """By a stand-in: 40 + 880 columns are beyond what others compiled; 3 million weights are worth the call."""
    stand_in("touch model_step_int8_edgetpu.tflite")
    model = float_model(40, (880,), 2)
    result = compile_for_edge_tpu(STEP, step_tflite(quantise_step(model, calibrated(model), "nearest")))
    assert result.macs == 4 * 880 * 920 + 2 * 880
    assert not result.cpu_is_better
    assert [doubt.split(":")[0] for doubt in result.doubts] == ["rows of 920 weights"]


def dense_graph(dtype=np.int8, scales=0.01, variable=False, kind="FULLY_CONNECTED") -> bytes:
    graph = Graph("a test")
    x = graph.tensor("x", dtype, (1, 4), Quant(0.05), variable=variable)
    quant = Quant(scales) if isinstance(scales, float) else scales
    weights = graph.tensor("W", np.int8, (2, 4), quant, np.ones((2, 4)))
    y = graph.tensor("y", np.int8, (1, 2), Quant(0.05))
    graph.operator(kind, [x, weights], [y], 1)
    graph.finish([x], [y])
    return graph.serialise()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "UNIDIRECTIONAL_SEQUENCE_LSTM"}, "UNIDIRECTIONAL_SEQUENCE_LSTM"),
        ({"dtype": np.int16}, "x, which is not int8"),
        ({"scales": [0.01, 0.02]}, "W, which has several scales"),
        ({"variable": True}, "x, which is a variable"),
    ],
)
def test_what_the_edge_tpu_cannot_run_is_refused_before_its_compiler(changes: dict, words: str) -> None:
    """Operators, number formats, scales a channel and states inside; the same graph without them passes."""
    require_mappable("model.tflite", unpacked(dense_graph()))
    with pytest.raises(ExportError, match=f"the Edge TPU cannot run {words}"):
        require_mappable("model.tflite", unpacked(dense_graph(**changes)))


def test_an_open_shape_is_refused() -> None:
    """A size known only at run time."""
    model = unpacked(dense_graph())
    model.subgraphs[0].tensors[0].shapeSignature = [-1, 4]
    with pytest.raises(ExportError, match="x, whose shape is open"):
        require_mappable("model.tflite", model)


def test_the_explicit_state_file_passes_every_rule_and_the_fused_one_does_not(files: dict[str, bytes]) -> None:
    """That is what the explicit-state file is for."""
    require_mappable(STEP, unpacked(files[STEP]))
    with pytest.raises(ExportError, match="UNIDIRECTIONAL_SEQUENCE_LSTM"):
        require_mappable(FUSED, unpacked(files[FUSED]))
