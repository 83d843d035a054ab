"""Recordings from folders of WAV clips, through the audio front end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_lstm.datasets.folders import Origin, origins
from edge_lstm.datasets.front_end import FrontEnd
from edge_lstm.datasets.recording import Dataset, Recording
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.errors import DataError, MissingDependencyError
from edge_lstm.model import Float32

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""What programs that write into a pipe leave in the header."""


def read_wav(path: Path, spec: DataSpec) -> Dataset:
    """One clip a recording, below ``[training|testing/]class/``; the series are the front end's frames.

    Raises:
        DataError: if a clip is no mono WAV of the front end's rate, or is shorter than a frame.
        MissingDependencyError: without the ``audio`` extra.
    """
    found = origins(path, (".wav",), spec)
    clips = [_clip(origin.path) for origin in found]
    front_end = spec.front_end or FrontEnd(sample_rate_hz=clips[0][1])
    recordings = [_recording(o, *clip, front_end, found[0]) for o, clip in zip(found, clips, strict=True)]
    return Dataset(tuple(recordings), front_end.channels, front_end=front_end.as_json())


def _recording(origin: Origin, samples: Float32, rate_hz: int, front_end: FrontEnd, first: Origin) -> Recording:
    if rate_hz != front_end.sample_rate_hz:
        raise DataError(
            f"{origin.path}: it has {rate_hz} Hz, the front end is for {front_end.sample_rate_hz} Hz"
            f"{'' if origin is first else f' like {first.path}'}; resample it, or set sample_rate_hz"
        )
    frames = front_end.apply(samples, str(origin.path))
    return Recording(origin.name, frames, front_end.rate_hz, origin.label, group=origin.group, split=origin.split)


def _clip(path: Path) -> tuple[Float32, int]:
    """(samples,) in [-1, 1] and the rate. Not as int16: the library turns a float file into zeros then."""
    soundfile = _soundfile()
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=False)
    except (soundfile.SoundFileError, OSError) as error:
        raise DataError(
            f"{path}: it is not a WAV clip that can be read ({_reason(error)}); save it as PCM WAV"
        ) from error
    _refuse_truncated(path)
    if samples.ndim != 1:
        raise DataError(f"{path}: it has {samples.shape[1]} audio channels; expected 1, mix it down to mono")
    return samples, int(rate_hz)


def _refuse_truncated(path: Path) -> None:
    """The library reads what is left of a clip that was cut off; the RIFF header says how much there should be."""
    with path.open("rb") as file:
        header = file.read(8)
    stated, found = int.from_bytes(header[4:8], "little") + 8, path.stat().st_size
    if header[:4] == b"RIFF" and stated - 8 not in _UNKNOWN_SIZES and found < stated:
        raise DataError(f"{path}: it has {found} B, its header says {stated} B; it was cut off, copy it again")


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].rstrip(".")


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingDependencyError(
            "WAV clips need soundfile, which is not installed; run: pip install 'edge-lstm[audio]'"
        ) from error
    return soundfile
