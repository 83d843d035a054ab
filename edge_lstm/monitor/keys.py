"""What the keys of a report mean: the documentation of the JSON objects, and what a test holds them to."""

from __future__ import annotations

CHANNEL = "CHANNEL"
"""Stands for the name of every channel."""

KEYS = {
    "schema": "1; a key is never given another meaning under the same number",
    "stream": "name of the bundle",
    "time": "seconds since 1970, by the computer's clock",
    "uptime_s": "seconds since the monitor began; nothing is remembered over a restart",
    "final": "whether it is the last report, at the end of the stream",
    "steps": "samples taken by the model",
    "latency.count": "latencies counted since the start; a latency is from a sample's arrival to its prediction",
    "latency.mean_us": "mean, µs",
    "latency.p50_us": "half of all took no longer; this and the next two are within 2.2 %",
    "latency.p90_us": "90 % took no longer",
    "latency.p99_us": "99 % took no longer",
    "latency.max_us": "the longest",
    "latency.deadline_ms": "longest latency allowed; null if there is none",
    "latency.missed": "latencies beyond it",
    "latency.longest_missed_run": "most of them in a row",
    "recent.count": "the same as `latency`, since the report before",
    "recent.mean_us": "",
    "recent.p50_us": "",
    "recent.p90_us": "",
    "recent.p99_us": "",
    "recent.max_us": "",
    "arrival.model_hz": "samples a second that the model was made for",
    "arrival.rate_hz": "samples a second since the report before",
    "arrival.jitter_us": "root of the mean squared difference between a gap and the model's period, or the mean gap",
    "arrival.longest_gap_us": "longest gap since the report before",
    "counts": "what the stream says at its end: held, skipped, malformed, torn, clamped, resets, dropped, late",
    f"saturation.inputs.{CHANNEL}": "values beyond what the input codes tell apart; null for float models",
    "saturation.sampled_steps": "steps whose state was looked at, one in 1,511; null where no state is looked at",
    "saturation.tensors": "rows of layer, tensor (c, h, y) and saturated: the share of codes at a limit in those steps",
    f"drift.{CHANNEL}.verdict": "learning (too few samples), steady, drifting, changed or stuck; of the window",
    f"drift.{CHANNEL}.psi": "population stability index of the window; 0.1 is drifting, 0.25 changed",
    f"drift.{CHANNEL}.psi_limit": "index that chance alone exceeds once in a thousand times",
    f"drift.{CHANNEL}.ks": "Kolmogorov-Smirnov distance of the window, at the bins' edges",
    f"drift.{CHANNEL}.ks_limit": "distance that chance alone exceeds once in a thousand times",
    f"drift.{CHANNEL}.samples": "samples in the window",
    f"drift.{CHANNEL}.needed": "samples before the channel is judged",
    f"drift.{CHANNEL}.run_psi": "index of the whole run",
    f"drift.{CHANNEL}.run_ks": "distance of the whole run",
    f"drift.{CHANNEL}.equal": "how many of the newest values are the same",
    "failures": "how often each view failed, by its address",
}
"""Path of a key, with dots → its meaning."""
