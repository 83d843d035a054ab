"""``--monitor term``: a table that is drawn anew twice a second, or a line a report where nobody can look at one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from edge_lstm.monitor.monitor import Monitor, Report

BARS = " ▁▂▃▄▅▆▇█"
A_SECOND = 2
"""Drawings."""


class _View(Protocol):
    def show(self, report: Report) -> None: ...

    def close(self) -> None: ...


def open_terminal(monitor: Monitor) -> _View:
    """A table if stderr is a terminal and rich is installed, else lines."""
    if sys.stderr.isatty():
        try:
            return Table(monitor)
        except ImportError:
            pass
    return Lines(sys.stderr)


class Lines:
    """A line a report."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle

    def show(self, report: Report) -> None:
        self._handle.write(f"monitor: {one_line(report)}\n")
        self._handle.flush()

    def close(self) -> None:
        """The handle is the process's own."""


def one_line(report: Report) -> str:
    """The report in a line: what is wrong is named."""
    v = report.values
    latency, arrival = v["latency"], v["arrival"]
    parts = [f"{v['steps']} steps"]
    if latency["count"]:
        parts.append("latency p50 {} p99 {} max {}".format(*(time(latency[f"{q}_us"]) for q in ("p50", "p99", "max"))))
    if latency["missed"] is not None:
        parts.append(f"{latency['missed']} deadlines of {latency['deadline_ms']:g} ms missed")
    if arrival["rate_hz"] is not None:
        parts.append(f"{arrival['rate_hz']:.4g} Hz")
    parts += [f"{count} {name}" for name, count in (v["counts"] or {}).items() if count and name != "samples"]
    parts += _saturated(v["saturation"])
    parts.append(drift_words(v["drift"]))
    return ", ".join(part for part in parts if part)


def drift_words(drift: dict[str, Any] | None) -> str:
    """The channels that are not steady, or that all are."""
    if drift is None:
        return "drift not watched"
    named = [f"{name} {row['verdict']} (PSI {row['psi']:.2f})" for name, row in drift.items() if _wrong(row)]
    if named:
        return "drift: " + ", ".join(named)
    learning = sum(row["verdict"] == "learning" for row in drift.values())
    return f"drift: {learning} of {len(drift)} channels not judged yet" if learning else "no drift"


def _wrong(row: dict[str, Any]) -> bool:
    return row["verdict"] not in ("learning", "steady")


def _saturated(saturation: dict[str, Any]) -> list[str]:
    rows = [row for row in saturation["tensors"] or [] if row["saturated"]]
    return [f"{tensor_name(row)} saturated {100 * row['saturated']:.2g} %" for row in rows]


def tensor_name(row: dict[str, Any]) -> str:
    return str(row["tensor"]) if row["tensor"] == "y" else f"{row['tensor']} of layer {row['layer']}"


def time(microseconds: float | None) -> str:
    """Three digits with their unit."""
    if microseconds is None:
        return "–"
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.3g} µs"


def bars(values: Sequence[float], top: float | None = None) -> str:
    """A bar a value, from 0 to ``top``, or to the highest."""
    highest = max(values, default=0.0) if top is None else top
    if not highest:
        return BARS[0] * len(values)
    return "".join(BARS[min(8, round(8 * value / highest))] for value in values)


class Table:
    """A rich table on stderr.

    Raises:
        ImportError: if rich is not installed.
    """

    def __init__(self, monitor: Monitor) -> None:
        from rich.console import Console
        from rich.live import Live

        self._monitor = monitor
        # Lines of predictions on the same screen scroll by above the table; in a pipe they are left alone.
        shared = sys.stdout is not None and sys.stdout.isatty()
        self._live = Live(
            console=Console(stderr=True),
            get_renderable=lambda: drawn(monitor.report()),
            refresh_per_second=A_SECOND,
            redirect_stdout=shared,
            redirect_stderr=True,
        )
        self._live.start()

    def show(self, report: Report) -> None:
        """It looks for itself, twice a second."""

    def close(self) -> None:
        self._live.stop()


STYLES = {"steady": "green", "learning": "dim", "drifting": "yellow", "changed": "bold red", "stuck": "bold red"}
SEVERITY = tuple(STYLES)


def drawn(report: Report) -> Any:
    """The report as what rich draws, in 80 columns."""
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    v = report.values
    facts = Grid.grid(padding=(0, 2))
    for row in _facts(report):
        facts.add_row(*row)
    parts: list[Any] = [Text(f"{v['stream']}  {v['steps']} steps in {v['uptime_s']:.0f} s", "bold"), facts]
    if v["drift"]:
        grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("channel", "", "PSI", "KS", "limit", "live", "training"):
            grid.add_column(name, justify="right" if name in ("PSI", "KS", "limit") else "left", no_wrap=True)
        # The worst first: a screen may be shorter than a sensor has channels.
        for name, row in sorted(v["drift"].items(), key=lambda item: -SEVERITY.index(item[1]["verdict"])):
            live, reference = report.shares[name]
            top = max(*live, *reference)
            figures = ("–" if row[key] is None else f"{row[key]:.3f}" for key in ("psi", "ks", "ks_limit"))
            verdict = Text(row["verdict"], STYLES[row["verdict"]])
            grid.add_row(name[:16], verdict, *figures, bars(live, top), bars(reference, top))
        parts.append(grid)
    else:
        parts.append(Text("drift is not watched: the bundle has no histograms of its training data", "dim"))
    return Group(*parts)


def _facts(report: Report) -> list[tuple[str, str]]:
    v = report.values
    latency, arrival, saturation = v["latency"], v["arrival"], v["saturation"]
    rows = [("latency", "p50 {}  p99 {}  max {}".format(*(time(latency[f"{q}_us"]) for q in ("p50", "p99", "max"))))]
    rows.append(("recent", bars(report.peaks_us)))
    if latency["missed"] is not None:
        words = f"{latency['missed']} of {latency['deadline_ms']:g} ms missed, {latency['longest_missed_run']} in a row"
        rows.append(("deadline", words))
    if arrival["rate_hz"] is not None:
        model = "" if arrival["model_hz"] is None else f" of {arrival['model_hz']:g} Hz"
        rows.append(("arrival", f"{arrival['rate_hz']:.4g} Hz{model}, jitter {time(arrival['jitter_us'])}"))
    happened = [f"{count} {name}" for name, count in (v["counts"] or {}).items() if count and name != "samples"]
    if happened:
        rows.append(("counts", ", ".join(happened)))
    rows.append(("saturation", ", ".join(_saturated(saturation)) or "none seen"))
    if v["failures"]:
        rows.append(("monitors", ", ".join(f"{address} failed {n} times" for address, n in v["failures"].items())))
    return rows
