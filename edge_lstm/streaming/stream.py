"""Live inference: one sample in, one prediction out. Scaling and de-quantisation are inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.bundle import MODEL_FILES, Bundle
from edge_lstm.integer import Decoding
from edge_lstm.model import Float64, FloatModel, Interface
from edge_lstm.runtimes import open_runtime
from edge_lstm.runtimes.choice import Choice
from edge_lstm.runtimes.said import told
from edge_lstm.streaming.anomaly import AnomalyScorer
from edge_lstm.streaming.prediction import Prediction, Untold, prediction, untold
from edge_lstm.streaming.sample import check_sample, check_samples
from edge_lstm.streaming.shared import SharedRuntime, Slot
from edge_lstm.streaming.snapshot import Snapshot, decode_snapshot, encode_snapshot

if TYPE_CHECKING:
    from edge_lstm.modelfile import Model
    from edge_lstm.runtimes.base import Runtime
    from edge_lstm.runtimes.c_library import Pushing

Array = NDArray[Any]


class LoadedModel:
    """A model, loaded once for any number of streams: its runtime, and the codes on both sides of it.

    Args:
        runtime: in its zero state; it belongs to the streams from here on.
        arithmetic: what it computes.
        identity: sha256 of the model file, by which a saved state knows its model.
    """

    choice: Choice | None = None
    """How its back end was chosen; None on a board."""

    def __init__(self, model: Model, runtime: Runtime, arithmetic: str, identity: str) -> None:
        self.interface: Interface = model.interface
        self._shared = SharedRuntime(runtime)
        self.arithmetic, self.identity = arithmetic, identity
        self._model = model
        decoding = Decoding(1.0) if isinstance(model, FloatModel) else model.decoding
        self._scale, self._zero, self._outputs = decoding.scale, decoding.zero, len(model.interface.task.outputs)

    @classmethod
    def open(cls, bundle: Bundle | str | Path, backend: str = "auto", arithmetic: str | None = None) -> LoadedModel:
        """Load a bundle; ``Stream`` says what the arguments are and what is raised."""
        if not isinstance(bundle, Bundle):
            bundle = Bundle.open(bundle)
        choice = open_runtime(bundle, backend, arithmetic)
        name = choice.arithmetic
        loaded = cls(bundle.model(name), choice.runtime, name, bundle.digest(MODEL_FILES[name]))
        loaded.choice = choice
        return loaded

    @classmethod
    def on_board(cls, bundle: Bundle | str | Path, url: str) -> LoadedModel:
        """The bundle's model where its firmware runs: ``/dev/ttyACM0``, ``COM3`` or ``socket://HOST:PORT``.

        Raises:
            MissingDependencyError, TargetError: as ``edge_lstm.runtimes.serial_board.SerialBoard``.
        """
        from edge_lstm.runtimes.serial_board import SerialBoard

        if not isinstance(bundle, Bundle):
            bundle = Bundle.open(bundle)
        board = SerialBoard(url, bundle)
        name = board.arithmetic
        return cls(bundle.model(name), board, name, bundle.digest(MODEL_FILES[name]))

    def encode(self, physical: Float64) -> Array:
        """(..., C) physical values → (..., C) codes, or scaled values for a float model."""
        if isinstance(self._model, FloatModel):
            return self.interface.scaling.apply(physical)
        # A finite value beyond float32 becomes infinite there and saturates like any other large one.
        with np.errstate(over="ignore"):
            return self._model.encoding.encode(physical)

    @property
    def limits(self) -> tuple[Float64, Float64] | None:
        """(C,) lowest and (C,) highest physical values that the input codes tell apart; None for a float model."""
        if isinstance(self._model, FloatModel):
            return None
        encoding, codes = self._model.encoding, (self._model.encoding.low - 0.5, self._model.encoding.high + 0.5)
        low, high = (encoding.offset + (code - encoding.zero) / encoding.gain.astype(np.float64) for code in codes)
        return low, high

    def decode(self, output: Array) -> Float64:
        """(..., O) codes → (..., O) logits or scaled targets."""
        if isinstance(self._model, FloatModel):
            return np.asarray(output, np.float64)
        return self._model.decoding.decode(output)

    def told(self, said: bytes) -> tuple[int, list[float]]:
        """The step and the output (O,) in what a stream said in C; ``decode``, faster for the few numbers of a step."""
        step, codes = told(said)
        return step, [(code - self._zero) * self._scale for code in codes[: self._outputs]]

    @property
    def backend(self) -> str:
        """Name of the back end that runs it."""
        return self._shared.runtime.name

    def runtime(self) -> SharedRuntime:
        """What runs one more stream: a runtime of its own where a second costs no more than its state."""
        another = getattr(self._shared.runtime, "another", None)
        return self._shared if another is None else SharedRuntime(another())

    def stream(self, every_step: bool = False) -> Stream:
        """A new stream of this model, in its zero state."""
        return Stream(self, every_step=every_step)


class Stream:
    """One sensor's stream through a model. Streams of one ``LoadedModel`` share its weights and run in any order.

    Args:
        source: a bundle, the path of one, or a model loaded before.
        backend: ``auto`` (the fastest installed), ``reference``, ``c``, ``tflite-runtime``, ``litert``, ``tflm`` or
            ``edgetpu``, which ``auto`` never takes.
        arithmetic: ``native``, ``tflite``, ``tflm``, ``step`` or ``float``; None takes the first that both have.
        every_step: also predict inside a window, not at its end alone.

    Raises:
        BundleError: if the bundle is damaged or lacks what the back end needs.
        ProjectError: if there is no such back end, or it does not compute ``arithmetic``.
        MissingDependencyError: if the back end is not installed.
    """

    def __init__(
        self,
        source: LoadedModel | Bundle | str | Path,
        backend: str = "auto",
        arithmetic: str | None = None,
        every_step: bool = False,
    ) -> None:
        self.model = source if isinstance(source, LoadedModel) else LoadedModel.open(source, backend, arithmetic)
        self.every_step = every_step
        self._interface = self.model.interface
        self._scorer = self._new_scorer()
        self._runtime, self._slot = self.model.runtime(), Slot()
        self._pushing = self._way_in_c()
        self._place: Pushing | _Place = self._pushing or _Place()
        # Bound once: with a step of a fifth of a microsecond, finding one's way counts.
        self._take: Callable[[Any], Any] = _no_short_way if self._pushing is None else self._pushing.take

    @property
    def backend(self) -> str:
        """Name of the back end that runs it."""
        return self.model.backend

    @property
    def arithmetic(self) -> str:
        return self.model.arithmetic

    @property
    def step(self) -> int:
        """Index of the next sample."""
        return self._place.step

    def push(self, sample: Any) -> Prediction | None:
        """Take one sample (C,) in physical units; a prediction, or None inside a window.

        Raises:
            InputError: if the sample is not usable. The stream is then as it was before.
        """
        said = self._take(sample)
        if said:
            made = Untold()  # as ``untold``, without calling it
            made._said, made._speaker = said, self.model
            return made
        return None if said == 0 else self._push(sample)

    def _push(self, sample: Any) -> Prediction | None:
        """The long way, which can say what is wrong with a sample; the short one may yet take what is no list."""
        if self._pushing is not None and (said := self._pushing.convert(sample)) != b"":
            return untold(said, self.model) if isinstance(said, bytes) else None
        physical = check_sample(sample, self._interface.channels, self.step)
        codes = self.model.encode(physical)
        with self._runtime.turn(self._slot) as runtime:
            if self._at_start(self.step):
                runtime.reset()
            output = runtime.step(codes)
        return self._advance(physical, self.model.decode(output))

    def push_many(self, samples: Any) -> list[Prediction]:
        """Take samples (T, C): the predictions that ``push`` would make of each in turn, faster.

        Raises:
            InputError: if any sample is not usable. The stream is then as it was before the first.
        """
        physical = check_samples(samples, self._interface.channels, self.step)
        codes = self.model.encode(physical)
        with self._runtime.turn(self._slot) as runtime:
            outputs = [self._run(runtime, codes[part], self.step + part.start) for part in self._parts(len(codes))]
        decoded = self.model.decode(np.concatenate(outputs)) if outputs else ()
        made = [self._advance(x, y) for x, y in zip(physical, decoded, strict=True)]
        return [one for one in made if one is not None]

    def reset(self) -> None:
        """Forget everything: zero state, step 0."""
        self._runtime.restart(self._slot)
        self._scorer, self._place.step = self._new_scorer(), 0

    def another(self) -> Stream:
        """A new stream of the same model, in its zero state."""
        return Stream(self.model, every_step=self.every_step)

    def save(self) -> bytes:
        """Everything the stream remembers; any back end of the same model and arithmetic can go on from it."""
        state = self._runtime.peek(self._slot)
        scorer = None if self._scorer is None else self._scorer.state()
        return encode_snapshot(Snapshot(self.model.identity, self.arithmetic, self.step, state, scorer))

    def load(self, data: bytes) -> None:
        """Go on from what ``save`` gave.

        Raises:
            InputError: if ``data`` is not a saved stream of this model and arithmetic. The stream is as it was before.
        """
        snapshot = decode_snapshot(data, self.model.identity, self.arithmetic)
        scorer = self._new_scorer()
        if scorer is not None:
            scorer.restore(snapshot.scorer)
        self._runtime.replace(self._slot, snapshot.state)
        self._scorer, self._place.step = scorer, snapshot.step

    def _way_in_c(self) -> Pushing | None:
        """The short way of a sample; None for what C does not do: other back ends, float models, anomaly scores."""
        pushing = getattr(self._runtime.runtime, "pushing", None)
        if pushing is None or self.model.arithmetic == "float" or self._scorer is not None:
            return None
        with self._runtime.turn(self._slot):  # from here on the state is in C, and nobody else takes turns with it
            way: Pushing = pushing(self._interface.task.window, self.every_step)
            return way

    def _new_scorer(self) -> AnomalyScorer | None:
        return AnomalyScorer(self._interface) if self._interface.task.kind == "anomaly" else None

    def _at_start(self, step: int) -> bool:
        """Whether the state is zeroed before ``step``: the start of every window."""
        window = self._interface.task.window
        return window is not None and step % window == 0

    def _speaks(self, step: int) -> bool:
        window = self._interface.task.window
        return window is None or self.every_step or step % window == window - 1

    def _parts(self, steps: int) -> Iterator[slice]:
        """The next ``steps`` samples, cut where a window starts."""
        window = self._interface.task.window
        start = 0
        while start < steps:
            left = steps - start if window is None else window - (self.step + start) % window
            yield slice(start, min(start + left, steps))
            start += left

    def _run(self, runtime: Runtime, codes: Array, step: int) -> Array:
        if self._at_start(step):
            runtime.reset()
        return runtime.run(codes)

    def _advance(self, physical: Float64, output: Float64) -> Prediction | None:
        """Count the sample and say what there is to say about it."""
        step = self.step
        self._place.step = step + 1
        judged = {} if self._scorer is None else self._scorer.judge(physical, output)
        return prediction(self._interface, output.tolist(), step, **judged) if self._speaks(step) else None


def _no_short_way(_sample: Any) -> bytes:
    return b""


class _Place:
    """Where a stream is that has no short way to know it."""

    step = 0
