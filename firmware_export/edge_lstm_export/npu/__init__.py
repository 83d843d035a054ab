"""Bundles for accelerators: TFLite files compiled for an Ethos-U by Vela, or for the Edge TPU, and what to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_lstm.bundle import EDGE_TPU_FOLDER, NPU_FOLDER, TFLITE_FUSED, TFLITE_STEP
from edge_lstm.errors import ExportError
from edge_lstm.tensor_names import cell_state, hidden_state
from edge_lstm_export.npu.configurations import MEMORY_MODE, NPUS, Npu, find_npu
from edge_lstm_export.npu.edge_tpu import compile_for_edge_tpu, find_edge_tpu_compiler
from edge_lstm_export.npu.vela import Placement, compile_with_vela, vela_version

__all__ = ["NPUS", "Npu", "Placement", "compile_with_vela", "find_npu", "for_accelerators", "require_compilers"]

UNCHECKED = "Vela's estimates; nothing was run on an NPU, so what the compiled files compute is unchecked"

EXPLICIT_STATE = "this file keeps its cell state in 8 bits, the other in 16: compare their outputs on your data first"

FEWEST_UNITS = 2
"""Vela 5.2.0 ends in a segmentation fault on a fused LSTM of one unit, in whichever layer."""


def require_compilers(npu: str, edgetpu: bool) -> None:
    """Refuse before any work what cannot be done; an empty name asks for no NPU.

    Raises:
        ProjectError: for an unknown NPU.
        MissingDependencyError: if a compiler that was asked for is not installed.
    """
    if npu:
        find_npu(npu)
        vela_version()
    if edgetpu:
        find_edge_tpu_compiler()


def for_accelerators(
    files: Mapping[str, bytes], units: Sequence[int], npu: str, edgetpu: bool
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The compiled files of an int8 bundle, and the tables ``npu`` and ``edgetpu`` of its manifest.

    Args:
        files: of the bundle, by path.
        units: of each layer.

    Raises:
        ExportError: if Vela cannot compile a layer so small.
        EdgeLstmError: of ``compile_with_vela`` or ``compile_for_edge_tpu``.
    """
    compiled: dict[str, bytes] = {}
    tables: dict[str, Any] = {}
    if npu:
        target = find_npu(npu)
        if min(units) < FEWEST_UNITS:
            raise ExportError(
                f"a layer has 1 unit, and Vela crashes on fewer than {FEWEST_UNITS}; train with more, or leave out npu"
            )
        states = {TFLITE_FUSED: [name(k) for k in range(len(units)) for name in (hidden_state, cell_state)]}
        placements = [
            compile_with_vela(source, files[source], target, states.get(source, ()))
            for source in (TFLITE_FUSED, TFLITE_STEP)
            if source in files
        ]
        compiled |= {_npu_path(npu, each): each.content for each in placements}
        tables["npu"] = _npu_table(target, placements)
    if edgetpu:
        result = compile_for_edge_tpu(TFLITE_STEP, files[TFLITE_STEP])
        path = f"{EDGE_TPU_FOLDER}/{Path(TFLITE_STEP).stem}_edgetpu.tflite"
        compiled[path] = result.content
        tables["edgetpu"] = {"file": path, **result.to_json()}
    return compiled, tables


def recommended(placements: Sequence[Placement]) -> Placement | None:
    """The file to flash: wholly on the NPU, and the fused one if it can be, for its cell state of 16 bits; or None."""
    whole = [each for each in placements if each.complete]
    return min(whole, key=lambda each: each.source != TFLITE_FUSED, default=None)


def _npu_table(npu: Npu, placements: Sequence[Placement]) -> dict[str, Any]:
    best = recommended(placements)
    return {
        "name": npu.name,
        "compiler": f"Vela {vela_version()}",
        "system": npu.system,
        "memory_mode": MEMORY_MODE,
        "unchecked": UNCHECKED,
        "files": {_npu_path(npu.name, each): {"source": each.source, **each.to_json()} for each in placements},
        "recommended": _npu_path(npu.name, best) if best else None,
        "caution": EXPLICIT_STATE if best and best.source == TFLITE_STEP and len(placements) > 1 else None,
    }


def _npu_path(npu: str, placement: Placement) -> str:
    return f"{NPU_FOLDER}/{npu}/{Path(placement.source).stem}_vela.tflite"
