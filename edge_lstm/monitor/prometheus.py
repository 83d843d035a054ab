"""A report as Prometheus text, exposition format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_lstm.monitor.drift import VERDICTS
from edge_lstm.monitor.monitor import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float | None]
"""Labels and a value; None is left out."""


def exposition(report: Report) -> str:
    """The text, every metric with its HELP and TYPE, every sample with the stream's name."""
    return "".join(_text(report))


def _text(report: Report) -> Iterator[str]:
    stream = {"stream": report.values["stream"]}
    for name, kind, words, samples in _families(report):
        lines = [
            f"{name}{suffix}{{{_labels(stream | dict(labels))}}} {_number(value)}\n"
            for suffix, labels, value in samples
            if value is not None
        ]
        if lines:
            yield f"# HELP {name} {words}\n# TYPE {name} {kind}\n"
            yield from lines


_Rows = list[tuple[str, Mapping[str, str], float | None]]


def _families(report: Report) -> Iterator[tuple[str, str, str, _Rows]]:
    """Name, kind, words and samples of each metric."""
    v = report.values
    latency, arrival, saturation = v["latency"], v["arrival"], v["saturation"]
    buckets: _Rows = [("_bucket", {"le": _number(bound)}, count) for bound, count in report.latency]
    buckets += [
        ("_bucket", {"le": "+Inf"}, latency["count"]),
        ("_sum", {}, report.latency_sum),
        ("_count", {}, latency["count"]),
    ]
    yield "edge_lstm_latency_seconds", "histogram", "From a sample's arrival to its prediction.", buckets
    for name, kind, words, value in (
        ("steps_total", "counter", "Samples taken by the model.", v["steps"]),
        ("uptime_seconds", "gauge", "Since the monitor began.", v["uptime_s"]),
        ("deadline_seconds", "gauge", "Longest latency allowed.", _scaled(latency["deadline_ms"], 1e-3)),
        ("missed_deadlines_total", "counter", "Steps whose latency was longer.", latency["missed"]),
        ("longest_missed_run", "gauge", "Most missed deadlines in a row.", latency["longest_missed_run"]),
        ("model_rate_hertz", "gauge", "Samples a second the model was made for.", arrival["model_hz"]),
        ("arrival_rate_hertz", "gauge", "Samples a second in the last interval.", arrival["rate_hz"]),
        ("arrival_jitter_seconds", "gauge", "RMS of gap less period.", _scaled(arrival["jitter_us"], 1e-6)),
        ("state_samples_total", "counter", "Steps whose state was looked at.", saturation["sampled_steps"]),
    ):
        yield f"edge_lstm_{name}", kind, words, [("", {}, value)]
    events: _Rows = [("", {"event": name}, count) for name, count in (v["counts"] or {}).items() if name != "samples"]
    yield "edge_lstm_events_total", "counter", "What happened to samples besides predictions.", events
    clamped: _Rows = [("", {"channel": name}, count) for name, count in (saturation["inputs"] or {}).items()]
    yield "edge_lstm_clamped_inputs_total", "counter", "Values beyond the calibrated range.", clamped
    tensors: _Rows = [
        ("", {"layer": str(row["layer"]), "tensor": row["tensor"]}, row["saturated"])
        for row in saturation["tensors"] or []
    ]
    yield "edge_lstm_saturated_ratio", "gauge", "Share of codes at a limit in the states looked at.", tensors
    drift = (v["drift"] or {}).items()
    for key, words in (
        ("psi", "Population stability index of the window against the training data."),
        ("ks", "Kolmogorov-Smirnov distance of the window from the training data."),
        ("ks_limit", "Distance that chance exceeds once in a thousand times."),
    ):
        yield f"edge_lstm_drift_{key}", "gauge", words, [("", {"channel": name}, row[key]) for name, row in drift]
    verdicts: _Rows = [
        ("", {"channel": name, "verdict": verdict}, float(row["verdict"] == verdict))
        for name, row in drift
        for verdict in VERDICTS
    ]
    yield "edge_lstm_drift_verdict", "gauge", "1 at the verdict that holds.", verdicts
    failures: _Rows = [("", {"monitor": address}, count) for address, count in v["failures"].items()]
    yield "edge_lstm_monitor_failures_total", "counter", "Reports that did not get out.", failures


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return repr(value)


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value * by
