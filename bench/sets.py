"""The real data sets the benchmarks run on, each with its task and its split.

The files are found through the environment variable EDGE_LSTM_DATA; none of them is part of the project, except
Japanese Vowels, which is an example.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from edge_lstm.datasets import (
    Dataset,
    DataSpec,
    FrontEnd,
    Recording,
    Splits,
    SplitSpec,
    TaskSpec,
    read_dataset,
    split_as,
)

BenchmarkSet = tuple[Dataset, TaskSpec, Splits]

ROOT = Path(__file__).resolve().parent.parent

AIR_SENSORS = (
    "PT08_S1_CO",
    "PT08_S2_NMHC",
    "PT08_S3_NOx",
    "PT08_S4_NO2",
    "PT08_S5_O3",
    "T",
    "RH",
    "AH",
)

FSDD_FRONT_END = FrontEnd(sample_rate_hz=8000, frame_ms=32, hop_ms=16, bins=32, level="running-mean")


def data(name: str) -> Path:
    """The path of a benchmark's file."""
    return Path(os.environ.get("EDGE_LSTM_DATA", ROOT / ".." / "shared" / "data")) / name


def har(seed: int = 0) -> BenchmarkSet:
    """Six activities from a phone: windows of 128 steps at 50 Hz, 9 channels.

    A subset of the official set (2400 / 950 windows, classes in the official ratio), so its accuracy is not
    comparable with a paper's. Neighbouring windows overlap by half; the split keeps overlapping ones together.
    """
    with np.load(data("har_uci_subset.npz"), allow_pickle=False) as archive:
        z = {key: archive[key] for key in archive.files}
    recordings = [
        Recording(f"{part}[{i}]", x * z["scale"], float(z["fs_hz"]), str(z["labels"][y]), split=part)
        for part in ("train", "test")
        for i, (x, y) in enumerate(zip(z[f"X_{part}"].astype(np.float32), z[f"y_{part}"], strict=True))
    ]
    dataset = Dataset(tuple(recordings), tuple(z["channels"].tolist()))
    return dataset, TaskSpec("classify", window=128), split_as(dataset, SplitSpec("given", seed=seed))


def japanese_vowels(seed: int = 0) -> BenchmarkSet:
    """Nine speakers by one utterance each: 7 to 29 steps, 12 channels, official split 270 / 370."""
    dataset = read_dataset(ROOT / "examples" / "japanese_vowels" / "japanese_vowels.npz")
    return dataset, TaskSpec("classify"), split_as(dataset, SplitSpec("given", seed=seed))


def fsdd(seed: int = 0, unseen_speaker: str | None = None) -> BenchmarkSet:
    """Ten spoken digits at 8 kHz, 1,800 clips of 6 speakers.

    The official split (takes 0 to 4 are the test) shares its speakers; ``unseen_speaker`` leaves one out instead.
    """
    with np.load(data("fsdd_subset.npz"), allow_pickle=False) as archive:
        z = {key: archive[key] for key in archive.files}
    recordings = []
    for i, (digit, speaker, take) in enumerate(zip(z["digit"], z["speaker"], z["index"], strict=True)):
        who = str(z["speakers"][speaker])
        is_test = take < 5 if unseen_speaker is None else who == unseen_speaker
        name = f"{digit}_{who}_{take}"
        frames = FSDD_FRONT_END.apply(z["audio"][z["offsets"][i] : z["offsets"][i + 1]], name)
        rate = FSDD_FRONT_END.rate_hz
        group = None if unseen_speaker is None else who
        recordings.append(Recording(name, frames, rate, str(digit), None, group, "test" if is_test else "train"))
    dataset = Dataset(tuple(recordings), FSDD_FRONT_END.channels, front_end=FSDD_FRONT_END.as_json())
    return dataset, TaskSpec("classify"), split_as(dataset, SplitSpec("given", seed=seed))


def air_quality(seed: int = 0) -> BenchmarkSet:
    """Carbon monoxide (mg/m³) at the last of 24 hours of 8 sensor channels; the last 30 % of the hours are the test."""
    spec = DataSpec(
        features=AIR_SENSORS,
        target=("CO_GT",),
        timestamp=("Date", "Time"),
        time_format="%d/%m/%Y %H:%M:%S",
        missing="hold",
        missing_value=-200,
        max_gap=76,  # the longest outage of the sensors
    )
    dataset = read_dataset(data("air_quality_uci.csv"), spec)
    task = TaskSpec("regress", window=24, stride=1)
    # 23 hours of history let the first hour of a part be predicted, as a stream would; they bear no target.
    return dataset, task, split_as(dataset, SplitSpec("time", test=0.3, validation=0.1, seed=seed, context=23))


def nab_machine_temperature(seed: int = 0) -> BenchmarkSet:
    """One temperature every 5 minutes; the first 15 % are for training, as NAB has it.

    Steps bear ``normal`` or ``anomaly`` after NAB's windows. One of the four windows lies in the first 15 %: its steps
    bear no target in training. The clock of the file goes back by an hour once, so the rows' order is trusted.
    """
    path = data("nab/machine_temperature_system_failure.csv")
    windows = json.loads(data("nab/anomaly_windows.json").read_text())[path.name]
    dataset = read_dataset(path, DataSpec(timestamp=("timestamp",), gaps="ignore"))
    with path.open(newline="") as file:
        times = [datetime.fromisoformat(row["timestamp"]) for row in csv.DictReader(file)]
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(stop)) for start, stop in windows]
    labels = ["anomaly" if any(a <= time <= b for a, b in spans) else "normal" for time in times]
    dataset = dataset.having([replace(dataset.recordings[0], targets=np.array(labels))])
    task = TaskSpec("anomaly", normal=("normal",))
    return dataset, task, split_as(dataset, SplitSpec("time", test=0.85, validation=0.03, seed=seed))


SETS: dict[str, Callable[..., BenchmarkSet]] = {
    "har": har,
    "japanese_vowels": japanese_vowels,
    "fsdd": fsdd,
    "air_quality": air_quality,
    "nab_machine_temperature": nab_machine_temperature,
}
