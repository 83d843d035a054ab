"""Results as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts, aligned; the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def metrics_table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a model, one column a figure; figures that are not one number are for JSON."""
    names = [name for name, value in next(iter(metrics.values())).items() if isinstance(value, int | float)]
    rows = [["", *names]]
    rows += [[kind, *(_figure(values[name]) for name in names)] for kind, values in metrics.items()]
    return columns(rows)


def sizes_table(sizes: Mapping[str, int]) -> str:
    """One row a size; all are bytes but the number of parameters."""
    units = {"parameters": ""}
    return columns([[name.replace("_", " "), f"{size:,}", units.get(name, "B")] for name, size in sizes.items()])


def quantisation_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """One row an arithmetic: signal-to-noise ratio in dB of the outputs, and of the gate where most is lost."""
    rows = [["", "output", "worst gate", "layer", "of it"]]
    for name, report in reports.items():
        worst = report["worst_gate"] or {"gate": "-", "layer": "-", "snr_db": None}
        output = report["tensors"][-1]["snr_db"]
        rows.append([name, _decibels(output), worst["gate"], str(worst["layer"]), _decibels(worst["snr_db"])])
    return columns(rows)


def _decibels(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f} dB"


def checks_table(checks: Sequence[Mapping[str, Any]]) -> str:
    """One row a check; below them what did not run and the first difference of what disagrees."""
    names = ("target", "arithmetic", "steps", "bytes", "mismatches")
    rows = [names, *(tuple(str(check[name]) for name in names) for check in checks if "not_run" not in check)]
    failed = [f"{c['target']}: first at {c['first_mismatch']}" for c in checks if c["first_mismatch"] is not None]
    not_run = [f"{c['target']}: not run: {c['not_run']}" for c in checks if "not_run" in c]
    return "\n".join([columns(rows), *not_run, *failed])


def board_checks_table(checks: Sequence[Mapping[str, Any]]) -> str:
    """One row a board that was run, simulated; below them what did not run and where one first disagrees."""
    ran = [check for check in checks if "not_run" not in check]
    rows = [("board", "kernels", "steps", "bytes", "mismatches", "a step", "", "stack", "simulated by")]
    for c in ran:
        counted = (f"{c['typical']:,}", c["unit"], f"{c['stack_bytes']} B", c["emulator"])
        rows.append((c["board"], c["kernels"], str(c["steps"]), str(c["bytes"]), str(c["mismatches"]), *counted))
    failed = [f"{c['board']}: first at {c['first_mismatch']}" for c in checks if "first_mismatch" in c]
    not_run = [f"{c['board']}: not run: {c['not_run']}" for c in checks if "not_run" in c]
    return "\n".join([*([columns(rows)] if ran else []), *not_run, *failed])


def on_board_table(values: Mapping[str, Any]) -> str:
    """What a model takes of a board: a row a part of each memory, then the work of a step and what there is to know."""
    rows = []
    for name, title in (("flash", "flash"), ("ram", "RAM")):
        parts = {part: size for part, size in values[name].items() if part != "total" and size}
        rows += [["" if k else title, part, f"{size:,} B"] for k, (part, size) in enumerate(parts.items())]
        left = values["headroom"].get(name)
        judged = "" if left is None else f"{left:,} B free" if left >= 0 else f"{-left:,} B over"
        rows.append(["", "together", f"{values[name]['total']:,} B", judged])
    widest = max(map(len, rows))
    table = columns([[*row, *[""] * (widest - len(row))] for row in rows])
    title = f"{values['board']} ({values['core']}, kernels {values['kernels']}), units {values['units']}"
    return "\n".join([title, table, *_work(values), *_advice(values)])


def _work(values: Mapping[str, Any]) -> list[str]:
    if "count" not in values:
        return ["a step: not counted"]
    lines = [f"a step: {values['count']:,} {values['unit']}"]
    about = "" if values.get("cycles_are") == "counted" else "about "
    if "cycles" in values and values["unit"] != "cycles":
        lines[0] += f", {about}{values['cycles']:,} cycles ({values['cycles_are']})"
    if "milliseconds" not in values:
        return [*lines, "time: no estimate, cycles or clock are not known"]
    lines.append(
        f"time: {about}{values['milliseconds']:.3g} ms, {about}{values['steps_per_second']:,.0f} steps a second"
    )
    if "rate_hz" in values:
        verdict = "keeps up with" if values["keeps_up"] else "is too slow for"
        lines[-1] += f"; {verdict} {values['rate_hz']:g} samples a second"
    return lines


def _advice(values: Mapping[str, Any]) -> list[str]:
    lines = []
    if "largest_that_fits" in values:
        lines.append(f"largest that fits: {values['largest_that_fits']} units a layer")
    if "largest_in_time" in values:
        lines.append(f"largest that keeps up: {values['largest_in_time']} units a layer")
    accelerator = values.get("accelerator")
    if accelerator:
        option = "--edgetpu" if accelerator == "edgetpu" else f"--npu {accelerator}"
        lines.append(f"not in these figures: its accelerator; edge-lstm export --int8 {option} compiles for it")
    return lines


def _figure(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.6g}"
