"""The audio front end: a clip in, frames of log-mel energies or cepstra out.

The frames come from kaldi-native-fbank with dither off, so the same samples give the same frames. Everything here
can run on a live stream: a frame needs the samples under its window, and the level normalisation looks back only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.settings import Table, refuse_unknown
from edge_lstm.errors import DataError, MissingDependencyError, ProjectError
from edge_lstm.model import Float32

FrontEndKind = Literal["log-mel", "mfcc"]
Level = Literal["none", "running-mean"]

FULL_SCALE = 32768.0
"""Kaldi's energies are of samples in the range of int16; clips in [-1, 1) are brought there."""

LOUDEST = FULL_SCALE * 2**31
"""Floats that hold 32-bit codes reach it; far above, the energy of a frame leaves float32."""


@dataclass(frozen=True)
class FrontEnd(Table):
    """Parameters of the front end: the ``[data.front_end]`` table, kept in the model as JSON.

    Args:
        kind: ``log-mel`` (natural logarithm of mel energies) or ``mfcc`` (their cepstra, the first being log energy).
        sample_rate_hz: of the clips; a clip of another rate is refused.
        frame_ms: length of a frame's window.
        hop_ms: from the start of a frame to the start of the next; the rate of the model's input is 1000 / hop_ms.
        bins: mel bands.
        cepstra: coefficients of ``mfcc``, at most ``bins``.
        low_hz: lower edge of the lowest band.
        high_hz: upper edge of the highest band, 0 for half the sample rate.
        preemphasis: coefficient of the first-order high-pass before the window.
        level: ``running-mean`` subtracts from every frame the mean level of the frames so far: of all bands for
            ``log-mel``, of the log energy for ``mfcc``. It takes out loudness, keeps the spectrum's shape, and looks
            back only. ``none`` leaves the level in: a new speaker or microphone then is a new input.
        memory_frames: after this many frames the running mean forgets exponentially.

    Raises:
        ProjectError: for a parameter outside its range.
    """

    kind: FrontEndKind = "log-mel"
    sample_rate_hz: int = 16000
    frame_ms: float = 32.0
    hop_ms: float = 16.0
    bins: int = 32
    cepstra: int = 13
    low_hz: float = 20.0
    high_hz: float = 0.0
    preemphasis: float = 0.97
    level: Level = "running-mean"
    memory_frames: int = 100

    def __post_init__(self) -> None:
        refuse_unknown("kind", self.kind, get_args(FrontEndKind))
        refuse_unknown("level", self.level, get_args(Level))
        for key, low, high in (
            ("sample_rate_hz", 1000, 384000),
            ("frame_ms", 1, 1000),
            ("hop_ms", 1, self.frame_ms),
            ("bins", 4, 256),
            ("cepstra", 1, self.bins),
            ("low_hz", 0, self.sample_rate_hz / 2 - 1),
            ("preemphasis", 0, 1),
            ("memory_frames", 1, 1_000_000),
        ):
            value = getattr(self, key)
            if not low <= value <= high:
                raise ProjectError(f"front end {key} is {value:g}; expected {low:g} to {high:g}")
        if self.high_hz and not self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise ProjectError(
                f"front end high_hz is {self.high_hz:g}; expected above low_hz {self.low_hz:g} and at most "
                f"{self.sample_rate_hz / 2:g}, half the sample rate"
            )

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return 1000.0 / self.hop_ms

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the columns of a frame."""
        return tuple(f"{n}{i}" for n, count in [self._columns] for i in range(count))

    @property
    def _columns(self) -> tuple[str, int]:
        return ("mel", self.bins) if self.kind == "log-mel" else ("mfcc", self.cepstra)

    def as_json(self) -> dict[str, Any]:
        """What ``Interface.front_end`` keeps; ``from_table`` reads it back."""
        return asdict(self)

    def stream(self) -> FrontEndStream:
        """A front end that takes samples as they come.

        Raises:
            MissingDependencyError: without the ``audio`` extra.
        """
        return FrontEndStream(self)

    def apply(self, clip: Any, where: str = "clip") -> Float32:
        """(samples,) int16, or floats in [-1, 1] → (frames, columns).

        Raises:
            DataError: if the clip is not mono, not finite or shorter than a frame.
        """
        stream = self.stream()
        frames = stream.push(clip, where)
        if not len(frames):
            raise DataError(
                f"{where}: {len(clip)} samples are shorter than a frame of {self.frame_ms:g} ms "
                f"({round(self.frame_ms * self.sample_rate_hz / 1000)} samples); remove it or shorten frame_ms"
            )
        return frames


class FrontEndStream:
    """The front end, sample by sample: chunks of any size give the frames of the whole clip."""

    def __init__(self, parameters: FrontEnd) -> None:
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        """Forget all samples and the level."""
        self._frames = _kaldi(self.parameters)
        self._taken = 0
        self._mean = 0.0

    def push(self, samples: Any, where: str = "clip") -> Float32:
        """(samples,) → (new frames, columns), none while the window is not full.

        Raises:
            DataError: if the samples are not mono or not finite.
        """
        self._frames.accept_waveform(self.parameters.sample_rate_hz, _full_scale(samples, where))
        ready = self._frames.num_frames_ready
        rows = [np.array(self._frames.get_frame(i), np.float32) for i in range(self._taken, ready)]
        frames = np.stack(rows) if rows else np.zeros((0, self._frames.dim), np.float32)
        if self.parameters.level == "running-mean":
            frames = np.stack([self._levelled(i, f) for i, f in enumerate(frames, self._taken)]) if rows else frames
        self._frames.pop(ready - self._taken)
        self._taken = ready
        return frames

    def _levelled(self, index: int, frame: Float32) -> Float32:
        seen = min(index + 1, self.parameters.memory_frames)
        level = frame if self.parameters.kind == "log-mel" else frame[:1]  # gain moves the first cepstrum alone
        self._mean += (float(level.mean(dtype=np.float64)) - self._mean) / seen
        level -= np.float32(self._mean)
        return frame


def _full_scale(samples: Any, where: str) -> NDArray[np.float32]:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise DataError(f"{where}: clip has shape {array.shape}; expected mono (samples,), mix the channels down first")
    scale = 1.0 if array.dtype == np.int16 else FULL_SCALE
    with np.errstate(over="ignore"):
        scaled = array.astype(np.float32) * np.float32(scale)
    wrong = ~(np.abs(scaled) <= LOUDEST)
    if wrong.any():
        raise DataError(
            f"{where}: sample {int(np.argmax(wrong))} is not finite or above {LOUDEST / FULL_SCALE:g} times full "
            "scale; repair the clip"
        )
    return scaled


def _kaldi(parameters: FrontEnd) -> Any:
    try:
        import kaldi_native_fbank as knf
    except ImportError as error:
        raise MissingDependencyError(
            "audio frames need kaldi-native-fbank, which is not installed; run: pip install 'edge-lstm[audio]'"
        ) from error
    options, online = (
        (knf.FbankOptions(), knf.OnlineFbank) if parameters.kind == "log-mel" else (knf.MfccOptions(), knf.OnlineMfcc)
    )
    frame = options.frame_opts
    frame.samp_freq = parameters.sample_rate_hz
    frame.frame_length_ms = parameters.frame_ms
    frame.frame_shift_ms = parameters.hop_ms
    frame.preemph_coeff = parameters.preemphasis
    frame.dither = 0.0  # the library's default adds noise
    frame.snip_edges = True  # a frame is complete or does not exist: chunks then equal the whole
    options.mel_opts.num_bins = parameters.bins
    options.mel_opts.low_freq = parameters.low_hz
    options.mel_opts.high_freq = parameters.high_hz
    if parameters.kind == "mfcc":
        options.num_ceps = parameters.cepstra
    return online(options)
