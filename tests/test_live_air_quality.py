"""A log like the Air Quality data set's, as training reads it and as a live stream does: the same samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from live_streams import run
from models import float_model

from edge_lstm.export import export_bundle
from edge_lstm.modelfile import save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm.streaming import Stream

PROJECT = """
name = "air"
[data]
path = "air.csv"
features = ["CO", "NOx", "T"]
timestamp = ["Date", "Time"]
time_format = "%d/%m/%Y %H.%M.%S"
decimal = ","
missing = "hold"
missing_value = -200
max_gap = 6
[task]
kind = "forecast"
outputs = ["CO"]
[split]
by = "time"
"""


def write_log(file: Path, rows: int) -> None:
    """Hourly rows; a fifth of the values is missing, in runs."""
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.normal(0, 1, (rows, 3)), axis=0).round(1) + np.array([50, 200, 20])
    for start, channel in zip(range(4, rows - 8, 8), rng.integers(0, 3, rows), strict=False):
        values[start : start + rng.integers(1, 6), channel] = -200
    lines = ["Date;Time;CO;NOx;T"]
    for hour, row in enumerate(values):
        clock = f"{1 + hour // 24:02d}/03/2004;{hour % 24:02d}.00.00"
        lines.append(";".join([clock, *(f"{value:.1f}".replace(".", ",") for value in row)]))
    file.write_text("\n".join(lines) + "\n")


def test_a_stream_fed_the_log_says_what_a_stream_fed_the_recording_says(tmp_path):
    """The bundle alone knows the marker, the comma, and that short gaps are held; the project file is not there."""
    write_log(tmp_path / "air.csv", 240)
    (tmp_path / "edge-lstm.toml").write_text(PROJECT)
    prepared = prepare(load_project(tmp_path))
    (recording,) = prepared.dataset.recordings
    model = float_model(features=3, units=(6,), outputs=1)
    save_model(model.with_interface(**vars(prepared.interface())), tmp_path / "model.safetensors")
    bundle = export_bundle(prepared, tmp_path / "model.safetensors", tmp_path / "bundle").bundle
    (tmp_path / "edge-lstm.toml").unlink()

    facts = json.loads((bundle / "manifest.json").read_text())["stream"]
    assert (facts["missing"], facts["missing_value"], facts["decimal"]) == ("hold", -200.0, ",")
    result = run((tmp_path / "air.csv").read_text(), bundle, "--json", "--reset", "gap > 7200000")
    heard = [json.loads(line)["values"]["CO"] for line in result.stdout.splitlines()]
    made = Stream(bundle, "reference").push_many(recording.series.astype(np.float64))
    assert len(heard) == len(made) == 240
    # Recordings hold float32, lines of text do not: seven digits.
    assert np.allclose(heard, [p.values["CO"] for p in made], rtol=1e-5, atol=0)
    counts = json.loads(result.stderr)["counts"]
    assert counts["held"] == (tmp_path / "air.csv").read_text().count("-200") > 50
    assert (counts["samples"], counts["skipped"], counts["resets"]) == (240, 0, 0)
