"""What a file cannot say: names, what the outputs mean, when a stream speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_lstm.errors import ProjectError
from edge_lstm.importers.chain import Chain
from edge_lstm.importers.embedding import CHANNEL
from edge_lstm.importers.given import Given
from edge_lstm.importers.network import Found, folded, network_of
from edge_lstm.model import FloatModel, Interface, Task, TaskKind


def float_model(chain: Chain, given: Given, path: Path) -> tuple[FloatModel, tuple[str, ...]]:
    """The model of a file, and what was supposed where neither it nor the user says it.

    Raises:
        ModelError: if something in the file stands in the way.
        ProjectError: if what the user says does not fit it.
    """
    found, given = network_of(chain, path), given.over(chain.said)
    stem = CHANNEL if chain.tokens else "channel"
    channels = _named("channels", given.channels, found.layers[0].features, stem)
    task = _task(found, given, channels, None if chain.carried else chain.steps)
    head, target_scaling = found.head, found.target_scaling
    if task.predicts_labels:
        head, target_scaling = folded(head, target_scaling)
    interface = Interface(
        channels=channels,
        scaling=found.scaling,
        task=task,
        target_scaling=target_scaling,
        rate_hz=given.rate_hz,
        front_end=given.front_end,
        provenance={"imported": {"format": chain.format, "file": path.name}},
    )
    model = FloatModel(found.layers, head, interface)
    return model, (*chain.notes, *_supposed(chain, found, given, task), *model.notes)


def _task(found: Found, given: Given, channels: tuple[str, ...], steps: int | None) -> Task:
    kind = given.task or _kind(found)
    _refuse_kind(kind, found)
    window = given.window if given.window is not None else None if found.every_step or kind == "tag" else steps
    stem = {"classify": "class", "tag": "class", "regress": "output"}.get(kind)
    if stem is None and given.labels is None and found.head.outputs == len(channels):
        outputs = channels
    else:
        outputs = _named("labels", given.labels, found.head.outputs, stem or "")
    ahead: dict[str, Any] = {}
    if kind in ("forecast", "anomaly"):
        ahead = {"horizon": given.horizon or 1, "target_channels": _places(outputs, channels), "anomaly": given.anomaly}
    return Task(kind, outputs, window=window or None, **ahead)


def _refuse_kind(kind: TaskKind, found: Found) -> None:
    """Raise ProjectError if the outputs are no such thing."""
    labels = kind in ("classify", "tag")
    ends = "an ArgMax" if found.label else f"a {found.probabilities}" if found.probabilities else ""
    if ends and not labels:
        raise ProjectError(f"the file ends in {ends}, whose classes are no {kind}; give --task classify")
    if labels and found.head.outputs < 2:
        raise ProjectError(f"the file has one output, a {kind} needs two or more labels; give --task regress")
    if labels and found.squashed:
        raise ProjectError(
            f"the file ends in {found.head.outputs} {found.squashed}, each of its own output, which are no scores of "
            f"labels to {kind}; give --task regress"
        )


def _kind(found: Found) -> TaskKind:
    if found.head.outputs == 1 or found.squashed:
        return "regress"
    return "tag" if found.every_step else "classify"


def _named(flag: str, names: Sequence[str] | None, count: int, stem: str) -> tuple[str, ...]:
    """The names given, or numbered ones.

    Raises:
        ProjectError: if there are more or fewer than ``count``, or two are the same.
    """
    if names is None and not stem:
        raise ProjectError(f"the file forecasts {count} numbers; say with --labels which channels they are")
    if names is None:
        return tuple(f"{stem}{k}" for k in range(count))
    twice = next((name for name in names if names.count(name) > 1 or not name), None)
    if len(names) != count or twice is not None:
        raise ProjectError(f"--{flag} names {len(names)}, the file has {count}; give {count} distinct names")
    return tuple(names)


def _places(outputs: Sequence[str], channels: Sequence[str]) -> tuple[int, ...]:
    unknown = next((name for name in outputs if name not in channels), None)
    if unknown is not None:
        raise ProjectError(f"--labels has {unknown!r}, a forecast tells channels: {', '.join(channels)}; name those")
    return tuple(channels.index(name) for name in outputs)


def _supposed(chain: Chain, found: Found, given: Given, task: Task) -> list[str]:
    notes = []
    if found.label:
        notes.append(
            "the file gives labels alone: its ArgMax is left out, for a stream tells the largest output itself"
        )
    if found.squashed == "sigmoid" and task.kind == "regress":
        notes.append(
            f"the file ends in {found.head.outputs} sigmoids, as many yes-or-no answers: the outputs are their "
            "probabilities, numbers of a regress; no label is told"
        )
    if chain.tokens:
        notes.append(
            f"the file takes tokens: the model takes {chain.tokens} channels, the token's is 1 and all others are 0"
        )
    elif found.scaling.kind == "none" and chain.said.channels is None:
        notes.append("the file holds no scaling: samples are taken as the network was trained on them, scaled already")
    if given.channels is None:
        notes.append("the channels are numbered; name them with --channels as your recordings do")
    if given.labels is None and task.predicts_labels:
        notes.append("the labels are numbered; name them with --labels as your recordings do")
    if given.task is None:
        what = "every window" if task.window else "every step" if found.every_step else "the end of a recording"
        notes.append(f"the task is taken for {task.kind}, an answer at {what}; say otherwise with --task and --window")
    return notes
