"""Every artefact of a bundle beside the reference: outputs and states, in single steps and in chunks.

Integers are compared byte for byte. Float artefacts are compared within a stated tolerance, for each sums in its own
order.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic.fused import ON_ARM
from edge_lstm.arithmetic.tflite_ops import TfliteArithmetic
from edge_lstm.board import load_core
from edge_lstm.bundle import (
    C_FOLDER,
    EDGE_TPU_FOLDER,
    FLOAT_MODEL,
    GOLDEN,
    KERAS,
    LIBRARY,
    MODEL_FILES,
    NPU_FOLDER,
    ONNX,
    PROGRAM,
    STEP_MODEL,
    TFLITE_FLOAT,
    TFLITE_FUSED,
    TFLITE_STEP,
    Bundle,
)
from edge_lstm.compiler import compile_shared
from edge_lstm.errors import BundleError, MissingDependencyError, VerificationError
from edge_lstm.integer import Arithmetic, NativeBidirectional, NativeModel, TfliteModel
from edge_lstm.model import GATES, BidirectionalWeights, Scaling
from edge_lstm.modelfile import Model
from edge_lstm.reference import network, trace, traces
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm.runtimes.worker import Job, Trace, run_jobs
from edge_lstm_export.board_verify import arithmetic_of, c_facts, check_core
from edge_lstm_export.c_source import kernels
from edge_lstm_export.difference import Comparison, Difference, compare
from edge_lstm_export.gates import likely_gate
from edge_lstm_export.golden import Golden, recordings_of, traces_of
from edge_lstm_export.linux import ARCHITECTURES, self_test

Array = NDArray[Any]

CALLS = (1, 37)
"""Steps a call: single steps, and chunks of a size that divides no usual window, so that they end everywhere."""

FLOAT_TOLERANCE = 1e-3
"""Of float artefacts, relative to the largest output: float32 sums in another order, over a thousand steps."""


@dataclass(frozen=True)
class Target:
    """An artefact and what runs it.

    Args:
        arithmetic: the golden vectors it is held against.
        file: in the bundle; ``SOURCES`` is the C source, compiled on the spot.
    """

    name: str
    runtime: str
    arithmetic: str
    file: str


SOURCES = f"{C_FOLDER}/model.c"
LIBRARY_HERE = LIBRARY.format(machine=platform.machine())

TARGETS = (
    Target("tflite-runtime", "tflite-runtime", "tflite", TFLITE_FUSED),
    Target("litert", "litert", "tflite", TFLITE_FUSED),
    Target("tflm", "tflm", "tflm", TFLITE_FUSED),
    Target("tflite-runtime, explicit state", "tflite-runtime", "step", TFLITE_STEP),
    Target("litert, explicit state", "litert", "step", TFLITE_STEP),
    Target("tflm, explicit state", "tflm", "step-tflm", TFLITE_STEP),
    Target("c, compiled here", "c", "native", SOURCES),
    Target("c, compiled here", "c-tflm", "tflm", SOURCES),
    Target("c, library", "c", "native", LIBRARY_HERE),
    Target("tflite-runtime", "tflite-runtime", "float", TFLITE_FLOAT),
    Target("litert", "litert", "float", TFLITE_FLOAT),
    Target("tflm", "tflm", "float", TFLITE_FLOAT),
    Target("c, compiled here", "c", "float", SOURCES),
    Target("c, library", "c", "float", LIBRARY_HERE),
    Target("onnxruntime", "onnxruntime", "float", ONNX),
    Target("keras", "keras", "float", KERAS),
)

PHYSICAL = ("onnxruntime", "keras")
"""Runtimes of files that have the scaling inside."""


@dataclass(frozen=True)
class Check:
    """One artefact in one runtime against the reference, in single steps and in chunks.

    Args:
        steps, bytes: how much was compared.
        mismatches: codes that differ (integers), or values beyond the tolerance (floats).
        tolerance: None for integers, which must be equal.
        not_run: why nothing was compared, where that is so.
        unproven: it is C for a board's core that could run here, were something installed.
    """

    target: str
    arithmetic: str
    steps: int = 0
    bytes: int = 0
    mismatches: int = 0
    first_mismatch: str | None = None
    tolerance: float | None = None
    not_run: str | None = None
    unproven: bool = False


@dataclass(frozen=True)
class VerifyReport:
    """All checks of a bundle. What could not be run here is listed, never passed over."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that ran agrees, and something did run."""
        ran = [check for check in self.checks if check.not_run is None]
        return bool(ran) and not any(check.mismatches for check in ran)

    @property
    def not_run(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.not_run is not None)

    def require_ok(self) -> None:
        """Raise VerificationError unless ``ok``."""
        if not self.ok:
            bad = next((check for check in self.checks if check.mismatches), None)
            raise VerificationError(
                f"{bad.target} ({bad.arithmetic}): {bad.mismatches} codes differ, first {bad.first_mismatch}"
                if bad
                else "nothing could be verified: no runtime is installed; pip install 'edge-lstm[tflite]'"
            )

    def require_proven(self) -> None:
        """Raise MissingDependencyError if C for a board was not run though it could have been."""
        for check in self.checks:
            if check.unproven:
                raise MissingDependencyError(f"{check.target} was not checked: {check.not_run}")

    def to_json(self) -> dict[str, Any]:
        shown = [{k: v for k, v in vars(check).items() if k != "unproven"} for check in self.checks]
        checks = [{k: v for k, v in check.items() if v is not None or k == "first_mismatch"} for check in shown]
        return {"ok": self.ok, "checks": checks}


def verify(bundle: Bundle) -> VerifyReport:
    """Run every artefact of a bundle on its golden recordings.

    Raises:
        BundleError: if a part of the bundle is missing.
    """
    goldens = {a: bundle.golden(a) for a in REFERENCES if bundle.has(GOLDEN.format(arithmetic=a))}
    if not goldens:
        raise BundleError(f"{bundle.path}: has no golden vectors to verify against; export it again")
    core = c_facts(bundle).get("core")
    targets = [t for t in TARGETS if t.arithmetic in goldens and _computes(bundle, t) and _exists_here(t.runtime)]
    targets = [t for t in targets if t.file != SOURCES or core is None]
    runtimes = sorted({target.runtime for target in targets})
    with ThreadPoolExecutor(max_workers=2) as pool:
        checks = pool.map(lambda r: _check(bundle, r, [t for t in targets if t.runtime == r], goldens), runtimes)
        references = [_reference(bundle, name, golden) for name, golden in goldens.items()]
        encoded = [_encoding(bundle, goldens["native"])] if "native" in goldens and bundle.has(LIBRARY_HERE) else []
        emulated = [] if core is None else [_on_board(bundle, core)]
        linux = pool.map(lambda arch: _linux_program(bundle, arch), _with(bundle, PROGRAM))
        ran = (*references, *(check for each in checks for check in each), *emulated, *encoded, *linux)
        return VerifyReport((*ran, *_linux_libraries(bundle), *_on_accelerators(bundle)))


def _with(bundle: Bundle, file: str) -> list[str]:
    """The architectures that the bundle holds a file for."""
    return [arch for arch in ARCHITECTURES if bundle.has(file.format(machine=arch))]


def _linux_program(bundle: Bundle, arch: str) -> Check:
    """The program's test of itself: golden steps, some saturating, and the state after them."""
    name = PROGRAM.format(machine=arch)
    done = self_test(bundle.file(name).read_bytes(), arch)
    if done.not_run is not None:
        return Check(name, "native", not_run=done.not_run)
    return Check(
        f"{name}, by {done.by}",
        "native",
        steps=done.steps,
        bytes=2 * done.steps * len(bundle.interface.task.outputs),
        mismatches=0 if done.wrong is None else 1,
        first_mismatch=done.wrong,
    )


def _linux_libraries(bundle: Bundle) -> list[Check]:
    """Those of other architectures have no Python here that could load them."""
    others = [arch for arch in _with(bundle, LIBRARY) if LIBRARY.format(machine=arch) != LIBRARY_HERE]
    if not others:
        return []
    reason = "a Python of that architecture loads it; the program, of the same kernels, ran"
    return [Check(f"the library of {', '.join(others)}", "native", not_run=reason)]


def _on_accelerators(bundle: Bundle) -> list[Check]:
    """Files for accelerators: there is no Ethos-U and no Edge TPU here to run them on."""
    folders = (f"{NPU_FOLDER}/", f"{EDGE_TPU_FOLDER}/")
    files = [name for name in sorted(bundle.manifest["files"]) if name.startswith(folders)]
    arithmetics = bundle.manifest["arithmetics"]
    reason = "it runs on the accelerator alone; compare it with golden/ there"
    return [Check(name, arithmetics.get(name, ["unknown"])[0], not_run=reason) for name in files]


REFERENCES: dict[str, tuple[str, Arithmetic | None]] = {
    "native": (MODEL_FILES["native"], None),
    "tflite": (MODEL_FILES["tflite"], "tflite"),
    "tflm": (MODEL_FILES["tflite"], "tflm"),
    "step": (STEP_MODEL, "tflite"),
    "step-tflm": (STEP_MODEL, "tflm"),
    "float": (FLOAT_MODEL, None),
}
"""Golden vectors, by name → the model file behind them and the arithmetic the reference computes it in."""


def _computes(bundle: Bundle, target: Target) -> bool:
    """Whether the bundle has that file, in that arithmetic."""
    return bundle.has(target.file) and target.arithmetic in bundle.manifest["arithmetics"].get(target.file, ())


def _exists_here(runtime: str) -> bool:
    """Whether there is such a runtime for this platform at all."""
    linux = sys.platform == "linux"
    if runtime == "tflm":
        return linux and platform.machine() == "x86_64"
    return runtime != "tflite-runtime" or (linux and sys.version_info < (3, 12))


def _reference(bundle: Bundle, name: str, golden: Golden) -> Check:
    """The golden vectors against the model in the bundle, computed anew."""
    model, arithmetic = _model(bundle, name), REFERENCES[name][1]
    seen = traces(network(model, arithmetic), _inputs(golden), _window(bundle))
    found = [_trace(each, len(model.layers)) for each in seen]
    tolerance = FLOAT_TOLERANCE if name == "float" else None
    compared = compare(traces_of(golden), found, tolerance=tolerance)
    return _result(Target("reference", "reference", name, ""), [compared], tolerance)


def _check(bundle: Bundle, runtime: str, targets: Sequence[Target], goldens: Mapping[str, Golden]) -> list[Check]:
    """All that one runtime has to run, in one process."""
    cases = [_case(bundle, target, goldens[target.arithmetic]) for target in targets]
    try:
        with _files(bundle, targets) as files:
            found = run_jobs(
                runtime,
                [Job(f, c.inputs, n, _window(bundle)) for f, c in zip(files, cases, strict=True) for n in CALLS],
            )
    except MissingDependencyError as error:
        return [Check(target.name, target.arithmetic, not_run=str(error)) for target in targets]
    by_target = [found[k : k + len(CALLS)] for k in range(0, len(found), len(CALLS))]
    return [_judge(bundle, case, traces) for case, traces in zip(cases, by_target, strict=True)]


@dataclass(frozen=True, eq=False)
class Case:
    """What a target is given, and what it must give."""

    target: Target
    inputs: list[Array]
    expected: list[Trace]


def _case(bundle: Bundle, target: Target, golden: Golden) -> Case:
    if target.runtime in PHYSICAL:
        return Case(target, *_in_physical_units(golden, bundle.interface.target_scaling))
    inputs = _inputs(golden)
    if target.runtime in ON_ARM and platform.machine().lower() in ("aarch64", "arm64", "armv7l", "armv8l"):
        model = _model(bundle, target.arithmetic)
        seen = traces(network(model, cast(TfliteArithmetic, ON_ARM[target.runtime])), inputs, _window(bundle))
        return Case(target, inputs, [_trace(each, len(model.layers)) for each in seen])
    return Case(target, inputs, traces_of(golden))


def _judge(bundle: Bundle, case: Case, found: Sequence[Sequence[Trace]]) -> Check:
    target = case.target
    tolerance = FLOAT_TOLERANCE if target.arithmetic == "float" else None
    compared = [
        compare(case.expected, traces, steps, _window(bundle), tolerance)
        for steps, traces in zip(CALLS, found, strict=True)
    ]
    check = _result(target, compared, tolerance)
    first = next((c.first for c in compared if c.first), None)
    if first is None:
        return check
    if tolerance is not None:
        return replace(check, first_mismatch=str(first.blaming(_float_gate(bundle, first))))
    gate = _gate(bundle, target, case.inputs[first.recording], found[0][first.recording], first)
    return replace(check, first_mismatch=str(first.blaming(gate)))


def _float_gate(bundle: Bundle, first: Difference) -> str:
    """The gates that may be behind a difference of floats: of cells but LSTMs any of theirs."""
    layers = bundle.float_model.layers
    if first.layer == len(layers):
        return first.gate
    layer = layers[first.layer]
    gates = layer.forward.gates if isinstance(layer, BidirectionalWeights) else layer.gates
    return first.gate if layer.cell != BidirectionalWeights.cell and gates == GATES else " or ".join(gates)


def _on_board(bundle: Bundle, core: str) -> Check:
    """C whose kernels are for the core of a board, in that core's emulator."""
    done = check_core(bundle, load_core(core))
    target = f"c, {done.emulator or done.core}"
    return Check(
        target,
        arithmetic_of(bundle),
        done.steps,
        done.bytes,
        done.mismatches,
        done.first_mismatch,
        not_run=done.not_run,
        unproven=done.missing,
    )


def _encoding(bundle: Bundle, golden: Golden) -> Check:
    """The device's own encoder on physical samples, against the codes of the reference."""
    library = CLibrary(bundle.file(LIBRARY_HERE))
    kept = [k for k in range(recordings_of(golden)) if f"{k}.physical" in golden]
    expected = [Trace(golden[f"{k}.codes"], ()) for k in kept]
    found = [Trace(library.encode(golden[f"{k}.physical"]), ()) for k in kept]
    compared = compare(expected, found)
    check = _result(Target("c, encoding of samples", "c", "native", LIBRARY_HERE), [compared], None)
    at = compared.first
    if at is None:
        return check
    channel = bundle.interface.channels[at.unit]
    first = f"recording {at.recording}, step {at.step}, channel {channel!r}: {at.found} instead of {at.expected}"
    return replace(check, first_mismatch=first)


def _result(target: Target, compared: Sequence[Comparison], tolerance: float | None) -> Check:
    first = next((c.first for c in compared if c.first), None)
    return Check(
        target.name,
        target.arithmetic,
        steps=sum(c.steps for c in compared),
        bytes=sum(c.bytes for c in compared),
        mismatches=sum(c.mismatches for c in compared),
        first_mismatch=None if first is None else str(first),
        tolerance=tolerance,
    )


def _gate(bundle: Bundle, target: Target, codes: Array, found: Trace, first: Difference) -> str:
    """The gate behind a difference: seen in C, inferred where a runtime shows only its state."""
    model = _model(bundle, target.arithmetic)
    if first.tensor == "c" and isinstance(model, TfliteModel):
        return likely_gate(model, cast(Arithmetic, target.arithmetic), codes, found, first, _window(bundle))
    if first.tensor == "c" and target.file == SOURCES:
        return _gate_in_c(bundle, model, codes, first)
    return first.gate


def _gate_in_c(bundle: Bundle, model: Model, codes: Array, first: Difference) -> str:
    """The first gate that differs in that step, from the same sources compiled with taps."""
    window = _window(bundle)
    start = 0 if window is None else first.step // window * window
    with _compiled(bundle, ["EL_TAP"]) as file:
        found = CLibrary(file).trace(codes[start : first.step + 1])
    exact = trace(network(model), codes[start : first.step + 1])
    layer = cast(NativeModel, model).layers[first.layer]
    if isinstance(layer, NativeBidirectional):
        return f"one of {', '.join(layer.forward.gates)}, of either half"
    gates = layer.gates
    # A tap's place bears the name that an LSTM's gate has there.
    places = zip(gates, GATES, strict=False)
    differing = [g for g, at in places if not np.array_equal(found[first.layer, at][-1], exact[first.layer, g][-1])]
    return differing[0] if differing else "none, the cell update"


@contextmanager
def _files(bundle: Bundle, targets: Sequence[Target]) -> Iterator[list[Path]]:
    """The file of each target; sources are compiled for as long as they are needed."""
    with ExitStack() as held:
        yield [
            held.enter_context(_compiled(bundle, [])) if target.file == SOURCES else bundle.file(target.file)
            for target in targets
        ]


@contextmanager
def _compiled(bundle: Bundle, defines: Sequence[str]) -> Iterator[Path]:
    """The bundle's own C sources as a shared library."""
    library = compile_shared({**bundle.c_sources(), **kernels.kernel_files([kernels.HOST_FILE])}, defines)
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        file = Path(folder) / "libmodel.so"
        file.write_bytes(library)
        yield file


def _window(bundle: Bundle) -> int | None:
    return bundle.interface.task.window


def _model(bundle: Bundle, name: str) -> Model:
    return bundle.read_model(REFERENCES[name][0])


def _inputs(golden: Golden) -> list[Array]:
    return [golden[f"{k}.codes"] for k in range(recordings_of(golden))]


def _in_physical_units(golden: Golden, target_scaling: Scaling) -> tuple[list[Array], list[Trace]]:
    """Inputs and traces of the recordings that a sensor could send, as a file with the scaling inside takes them."""
    kept = [k for k in range(recordings_of(golden)) if f"{k}.physical" in golden]
    traces = traces_of(golden)
    scaled = [replace(traces[k], outputs=target_scaling.undo(traces[k].outputs)) for k in kept]
    return [golden[f"{k}.physical"] for k in kept], scaled


def _trace(seen: dict[tuple[int, str], Array], layers: int) -> Trace:
    return Trace(seen[layers, "y"], tuple((seen[k, "h"], seen[k, "c"]) for k in range(layers)))
