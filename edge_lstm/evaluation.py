"""How good a model is on recordings, each replayed as a device would see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edge_lstm import metrics
from edge_lstm.datasets.recording import Dataset, shortened
from edge_lstm.datasets.sequences import make_sequences
from edge_lstm.datasets.spec import TaskSpec
from edge_lstm.errors import DataError
from edge_lstm.integer import Arithmetic
from edge_lstm.metrics import Metrics
from edge_lstm.model import Float64, FloatModel, Interface
from edge_lstm.modelfile import Model
from edge_lstm.reference import network, replay

Array = NDArray[Any]


def evaluate(model: Model, dataset: Dataset, spec: TaskSpec, arithmetic: Arithmetic | None = None) -> Metrics:
    """Metrics of a model, float or integer, on recordings; ``edge_lstm.metrics`` says which.

    Windows follow each other without overlap and recordings are never cut into chunks, as in a stream. What a model
    that looks ahead says of a step is judged where it says it.

    Args:
        arithmetic: ``tflm`` computes a tflite model the other way.

    Raises:
        DataError: if the recordings or the task are not those the model was made for, or bear no target.
    """
    interface = model.interface
    refuse_other_sensor_or_task(interface, dataset, spec)
    longest = max(recording.steps for recording in dataset.recordings)
    whole = replace(spec, stride=None, chunk=longest)
    sequences = make_sequences(dataset, whole, interface.task.outputs, interface.look_ahead)
    series = [inputs[:length] for inputs, length in zip(sequences.inputs, sequences.lengths, strict=True)]
    return metrics.evaluate(outputs_of_model(model, series, arithmetic), sequences, interface)


def outputs_of_model(model: Model, series: Sequence[Array], arithmetic: Arithmetic | None = None) -> list[Float64]:
    """Logits or scaled targets (T, O) of each physical series (T, C), each from zero state to its end."""
    net = network(model, arithmetic)
    if isinstance(model, FloatModel):
        return replay(net, [model.interface.scaling.apply(s) for s in series])
    return [model.decoding.decode(codes) for codes in replay(net, [model.encoding.encode(s) for s in series])]


def refuse_other_sensor_or_task(interface: Interface, dataset: Dataset, spec: TaskSpec) -> None:
    """Raise DataError unless the recordings and the task are those the model was made for."""
    if dataset.channels != interface.channels:
        raise DataError(
            f"the recordings have the channels {shortened(dataset.channels)}, the model takes "
            f"{shortened(interface.channels)}; name them in [data] features, or train again"
        )
    task, horizon = interface.task, spec.horizon if interface.task.predicts_ahead else 0
    for what, made_for, asked in (
        ("kind", task.kind, spec.kind),
        ("window", task.window, spec.window),
        ("horizon", task.horizon, horizon),
    ):
        if made_for != asked:
            raise DataError(f"the model was trained for {what} {made_for}, [task] asks for {asked}; train it again")
