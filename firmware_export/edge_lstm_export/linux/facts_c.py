"""What the stream program knows besides the model: the constants of ``stream/facts.h``, and the sizes of its memory."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.integer import NativeModel
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.c_source.literals import array, integer, string, strings
from edge_lstm_export.firmware.project import TEST_STEPS

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Of a time's unit; the same doubles as in ``edge_lstm.datasets.times``, which a test compares."""

NUMBER_BYTES = 32
"""Of an output in a line, with what separates it."""

LINE_BYTES = 1024
"""Of everything else in a line but names."""

_PART = 200
"""Characters of a long text in one literal."""

_READ_FORMAT = re.compile(r"(?:%[YmdHMS%]|[^%\s]| (?! ))*", re.ASCII)
"""Formats of strptime that ``stream/times.c`` reads."""


@dataclass(frozen=True)
class Identity:
    """Whose program it is.

    Args:
        version: of edge-lstm.
        digest: sha256 of the model file.
        description: what ``--describe`` prints, JSON values.
    """

    version: str
    digest: bytes
    description: Mapping[str, Any]


def facts_files(model: NativeModel, facts: Facts, identity: Identity) -> dict[str, bytes]:
    """``facts.c`` and ``sizes.h``.

    Raises:
        ExportError: if a name has no place in C.
    """
    return {"facts.c": _constants(model, facts, identity).encode(), "sizes.h": _sizes(model, facts).encode()}


def limits(model: NativeModel) -> tuple[Any, Any]:
    """(C,) lowest and (C,) highest physical values that the input codes tell apart."""
    encoding = model.encoding
    codes = (encoding.low - 0.5, encoding.high + 0.5)
    low, high = (encoding.offset + (code - encoding.zero) / encoding.gain.astype(np.float64) for code in codes)
    return low, high


def _sizes(model: NativeModel, facts: Facts) -> str:
    names = [max(len(_in_json(name).encode()), len(name.encode())) for name in model.interface.task.outputs]
    said = LINE_BYTES + sum(names) + 2 * max(names) + NUMBER_BYTES * len(names)
    return (
        "/* Written by edge-lstm. */\n"
        f"#define EL_SAID_BYTES {integer(said)}\n#define EL_MOST_TIME_COLUMNS {max(1, len(facts.timestamp))}\n"
        f"#define EL_SELF_TEST_STEPS {TEST_STEPS}\n"
    )


def _constants(model: NativeModel, facts: Facts, identity: Identity) -> str:
    interface, low_high = model.interface, limits(model)
    task, rule, scaling = interface.task, interface.task.anomaly, interface.target_scaling
    marked = facts.missing_value is not None and math.isfinite(facts.missing_value)
    fields = {
        "version": string(identity.version),
        "description": _long(json.dumps(identity.description, ensure_ascii=False)),
        "model": "digest",
        "in_json": "in_json",
        "labels": int(task.predicts_labels),
        "ahead": int(interface.ahead != 0),
        "scored": int(task.kind == "anomaly"),
        "horizon": integer(interface.ahead),
        "rate_hz": _double(interface.rate_hz or 0.0),
        "step": _double(model.decoding.scale),
        "zero": integer(model.decoding.zero),
        "target_offset": "target_offset",
        "target_scale": "target_scale",
        "targets": "targets",
        "smoothing": _double(rule.smoothing if rule else 0.0),
        "threshold": _double(rule.threshold if rule else 0.0),
        "low": "low",
        "high": "high",
        "holds": int(facts.missing == "hold"),
        "marks_missing": int(marked),
        "missing_value": _double(facts.missing_value if marked and facts.missing_value is not None else 0.0),
        "max_hold": integer(facts.max_gap),
        "decimal": f"'{facts.decimal}'",
        "time_columns": "time_columns",
        "time_column_count": len(facts.timestamp),
        "time_format": "NULL" if facts.time_format is None else string(facts.time_format),
        "reads_times": int(facts.time_format is None or bool(_READ_FORMAT.fullmatch(facts.time_format))),
        "time_unit": _double(SECONDS[facts.time_unit]),
    }
    return "\n".join(
        [
            '/* Constants, written by edge-lstm. Do not edit. */\n#include "facts.h"\n',
            array("uint8_t", "digest", np.frombuffer(identity.digest, np.uint8), "sha256"),
            "static " + strings("in_json", map(_in_json, task.outputs)),
            "static " + strings("time_columns", facts.timestamp or ("",)),
            _doubles("target_offset", scaling.offset),
            _doubles("target_scale", scaling.scale),
            _doubles("low", low_high[0]),
            _doubles("high", low_high[1]),
            array("uint16_t", "targets", np.array(task.target_channels or (0,), np.uint16), "(outputs)"),
            "const el_fact_sheet el_facts = {\n",
            "".join(f"    .{name} = {value},\n" for name, value in fields.items()),
            "};\n",
        ]
    )


def _in_json(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _long(text: str) -> str:
    """A literal in parts; compilers that run here join any number of them."""
    return "\n        ".join(string(text[k : k + _PART]) for k in range(0, len(text), _PART))


def _double(value: float) -> str:
    """A literal that is this double: C99 has hexadecimal ones."""
    return float(value).hex()


def _doubles(name: str, values: Iterable[float]) -> str:
    words = [_double(value) for value in values]
    return f"static const double {name}[{len(words)}] = {{\n" + "".join(f"    {word},\n" for word in words) + "};\n"
