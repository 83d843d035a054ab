"""Transfer learning: what a project takes of a trained model to start from, and what it refuses.

The layers expect the sensor they were trained on: the same channels in the same order, at the same rate, from the same
front end, scaled as then. The outputs may be others; the head is kept where they are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from edge_lstm.datasets.recording import RATE_TOLERANCE, Dataset, shortened
from edge_lstm.errors import DataError, ProjectError
from edge_lstm.model import BidirectionalWeights, DenseWeights, FloatModel, Scaling, Task
from edge_lstm.modelfile import encode_model
from edge_lstm.project import Project
from edge_lstm.training.spec import CellName, TrainingSpec
from edge_lstm.training.start import Start


@dataclass(frozen=True, eq=False)
class Source:
    """A trained model to start from.

    Args:
        model: trained or imported.
        where: its file, for messages.
        frozen: layers, from the input on, that training is to leave as they are.

    Raises:
        ProjectError: if the model has fewer layers than are to be frozen, or one that cannot be trained.
    """

    model: FloatModel
    where: str
    frozen: int = 0

    def __post_init__(self) -> None:
        layers = len(self.model.layers)
        if not 0 <= self.frozen <= layers:
            raise ProjectError(
                f"--freeze is {self.frozen}, but {self.where} has {layers} layer{'s' * (layers > 1)}; "
                f"give 0 to {layers}"
            )
        for index, layer in enumerate(self.model.layers):
            if layer.variant not in get_args(CellName):
                raise ProjectError(
                    f"layer {index} of {self.where} is a {layer.variant}, which Keras has no layer of; "
                    "export the model as it is, or train another"
                )

    def refuse_other_sensor(self, dataset: Dataset) -> None:
        """Raise DataError unless the recordings are of the sensor that the layers were trained on."""
        interface, where = self.model.interface, self.where
        wanted, there = interface.channels, dataset.channels
        lacking, extra = ([n for n in a if n not in b] for a, b in ((wanted, there), (there, wanted)))
        if lacking or extra:
            parts = [f"lack {shortened(lacking)}"] * bool(lacking) + [f"have also {shortened(extra)}"] * bool(extra)
            raise DataError(
                f"the recordings {' and '.join(parts)}; {where} takes the channels {shortened(wanted)}: "
                "name those in [data] features, or train without --from"
            )
        if wanted != there:
            raise DataError(
                f"the recordings have the channels in the order {shortened(there)}, {where} takes {shortened(wanted)}; "
                "name them in that order in [data] features"
            )
        for key, was, is_now in _differences(interface.front_end or {}, dataset.front_end or {}):
            raise DataError(
                f"the recordings pass a front end whose {key} is {is_now}, {where} was trained with {was}; "
                "set [data.front_end] as it was then, or train without --from"
            )
        then, now = interface.rate_hz, dataset.rate_hz
        if then and now and abs(now / then - 1) > RATE_TOLERANCE:
            raise DataError(
                f"the recordings have {now:g} Hz, {where} was trained at {then:g} Hz; "
                f"resample the recordings to {then:g} Hz, or train without --from"
            )

    def training(self, project: Project) -> TrainingSpec:
        """The project's settings with the cells of the model, their units and look-ahead.

        Raises:
            ProjectError: if the ``[model]`` table says others.
        """
        layers = self.model.layers
        late = [x.look_ahead for x in layers if isinstance(x, BidirectionalWeights)]
        spec = replace(
            project.training,
            cell=tuple(cast(CellName, x.variant) for x in layers),
            units=tuple(x.forward.units if isinstance(x, BidirectionalWeights) else x.units for x in layers),
            look_ahead=late[0] if late else project.training.look_ahead,
        )
        for key, asked, has in (
            ("cell", project.training.cell, spec.cell),
            ("units", project.training.units, spec.units),
            ("look_ahead", project.training.look_ahead, spec.look_ahead),
        ):
            if key in project.model_keys and asked != has:
                raise ProjectError(
                    f"[model] {key} is {json.dumps(asked)}, {self.where} has {json.dumps(has)}; "
                    f"write that, or leave {key} out"
                )
        return spec

    def start(self, task: Task) -> Start:
        """The layers, and the head if the task has the outputs it was trained for."""
        rows, head = self._rows(task), self.model.head
        kept = None if rows is None else DenseWeights(head.weights[rows], head.bias[rows])
        return Start(self.model.layers, kept, self.frozen, hashlib.sha256(encode_model(self.model)).hexdigest())

    def target_scaling(self, task: Task) -> Scaling | None:
        """That which the kept head expects; None for a new one."""
        rows, scaling = self._rows(task), self.model.interface.target_scaling
        return None if rows is None else Scaling(scaling.offset[rows], scaling.scale[rows], scaling.kind)

    def notes(self, task: Task, dataset: Dataset) -> tuple[str, ...]:
        """What a user should know, a sentence each."""
        head = "kept" if self._rows(task) is not None else "new, for the outputs are others"
        begun = f"started from {self.where}: its scaling of the channels is kept, its head is {head}"
        rates = {f"{self.where} does": self.model.interface.rate_hz, "the recordings do": dataset.rate_hz}
        unknown = [who for who, rate in rates.items() if not rate]
        return (begun, *(f"{who} not tell a sample rate; see to it that both have the same" for who in unknown[:1]))

    def _rows(self, task: Task) -> list[int] | None:
        """The old row of each output, or None if the outputs mean something else."""
        old = self.model.interface.task
        same_kind = old.predicts_labels if task.predicts_labels else old.kind == task.kind
        if not same_kind or set(old.outputs) != set(task.outputs):
            return None
        return [old.outputs.index(name) for name in task.outputs]


def _differences(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*was, *is_now}):
        if was.get(key) != is_now.get(key):
            yield key, was.get(key, "none"), is_now.get(key, "none")
