"""What an accelerator's compiler made of a bundle, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lstm.cli.table import columns


def npu_table(npu: Mapping[str, Any]) -> str:
    """One row a compiled file; below them each operator left to the CPU, and the file to flash."""
    rows = [["", "on NPU", "SRAM B", "flash B", "weights B", "packed B", "cycles", "NPU alone", "time"]]
    left = []
    for path, row in npu["files"].items():
        bytes_ = [f"{row[key]:,}" for key in ("sram", "flash", "weights", "encoded_weights", "cycles", "npu_cycles")]
        rows.append([path, f"{row['percent']:.0f} %", *bytes_, f"{1e6 * row['seconds']:.1f} µs"])
        left += [
            f"{row['source']}: on the CPU: {each['operator']} {each['tensor']}: {each['reason']}"
            for each in row["on_cpu"]
        ]
    best = npu["recommended"] or "none: no file is wholly on the NPU"
    caution = [npu["caution"]] if npu["caution"] else []
    advice = [f"recommended: {best}", *caution, f"{npu['compiler']}: {npu['unchecked']}"]
    return "\n".join([columns(rows), *left, *advice])


def edge_tpu_table(edge_tpu: Mapping[str, Any]) -> str:
    """One row a kind of operator, as the compiler placed it; below them what to expect."""
    rows = [[name, str(count), status] for name, count, status in edge_tpu["operators"]]
    doubts = [f"doubt: {each}" for each in edge_tpu["doubts"]]
    table = [columns([[edge_tpu["file"], "count", "status"], *rows])]
    return "\n".join([*table, *doubts, f"recommended: {edge_tpu['advice']}", edge_tpu["unchecked"]])
