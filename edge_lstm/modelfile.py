"""Models as ``.safetensors`` files: arrays as they are, everything else as one JSON text in the header. No pickle.

The same model gives the same bytes: one metadata key (safetensors does not order several), JSON with sorted keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from edge_lstm.errors import EdgeLstmError, ModelError
from edge_lstm.files import write_atomically
from edge_lstm.halves import HALVES, Halves
from edge_lstm.integer import (
    NATIVE_CELLS,
    Affine,
    Decoding,
    Encoding,
    NativeBidirectional,
    NativeLayer,
    NativeLstm,
    NativeModel,
    Quant,
    TfliteDense,
    TfliteLstm,
    TfliteModel,
)
from edge_lstm.integer_step import StepModel, from_arrays, to_arrays
from edge_lstm.model import (
    CELLS,
    AnomalyRule,
    ArrayWeights,
    BidirectionalWeights,
    CellWeights,
    DenseWeights,
    FloatModel,
    Interface,
    LstmWeights,
    Scaling,
    Task,
)

Model = FloatModel | NativeModel | TfliteModel | StepModel
Arrays = dict[str, NDArray[Any]]
Header = dict[str, Any]

_OfHalf = Callable[[str, Any], tuple[Arrays, Header]]

SCHEMA = 1
_KEY = "edge-lstm"


def encode_model(model: Model) -> bytes:
    """The bytes of a model file."""
    kind = next(name for name, (cls, _, _) in _KINDS.items() if isinstance(model, cls))
    arrays, header = _KINDS[kind][1](model)
    header |= {"kind": kind, "schema": SCHEMA, "interface": interface_to_json(model.interface)}
    return save(arrays, {_KEY: json.dumps(header, sort_keys=True)})


def decode_model(data: bytes, where: str = "model") -> Model:
    """The model in the bytes of a model file.

    Raises:
        ModelError: if the bytes are not a model file of this schema, or the model in it does not fit together.
    """
    try:
        arrays = load(data)
        header_length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + header_length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"{where}: not a .safetensors file ({error}); export or train it again") from error
    if _KEY not in metadata:
        raise ModelError(f"{where}: a .safetensors file, but not one of edge-lstm; train or import a model first")
    try:
        header = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: its header is not JSON ({error}); export or train it again") from error
    schema = header.get("schema") if isinstance(header, dict) else None
    if schema != SCHEMA:
        raise ModelError(f"{where}: model schema {schema}, this version reads {SCHEMA}; train it again")
    try:
        decode = _KINDS[header["kind"]][2]
        return decode(arrays, header, interface_from_json(header["interface"]))
    except (KeyError, TypeError, ValueError, EdgeLstmError) as error:
        raise ModelError(f"{where}: the model in it is incomplete or changed ({error}); write it again") from error


def save_model(model: Model, path: str | Path) -> None:
    """Write a model file, whole or not at all."""
    write_atomically(Path(path), encode_model(model))


def load_model(path: str | Path) -> Model:
    """Read a model file.

    Raises:
        ModelError: if there is no such file or it is not a model file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); train a model first, or give --model") from error
    return decode_model(data, str(path))


def is_model_file(path: str | Path) -> bool:
    """Whether a file is a .safetensors file of this project, by its header alone."""
    try:
        with safe_open(str(path), "numpy") as file:
            return _KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def interface_to_json(interface: Interface) -> Header:
    """The interface as JSON values."""
    return {
        "channels": list(interface.channels),
        "scaling": _scaling_to_json(interface.scaling),
        "target_scaling": _scaling_to_json(interface.target_scaling),
        "task": asdict(interface.task),
        "rate_hz": interface.rate_hz,
        "front_end": interface.front_end,
        "provenance": interface.provenance,
        **({"look_ahead": interface.look_ahead} if interface.look_ahead else {}),
    }


def interface_from_json(values: Header) -> Interface:
    """The inverse of ``interface_to_json``."""
    task = dict(values["task"])
    if task["anomaly"] is not None:
        task["anomaly"] = AnomalyRule(**task["anomaly"])
    return Interface(
        channels=tuple(values["channels"]),
        scaling=_scaling_from_json(values["scaling"]),
        target_scaling=_scaling_from_json(values["target_scaling"]),
        task=Task(**task),
        rate_hz=values["rate_hz"],
        front_end=values["front_end"],
        provenance=values["provenance"],
        look_ahead=values.get("look_ahead", 0),
    )


def _scaling_to_json(scaling: Scaling) -> Header:
    return {"offset": scaling.offset.tolist(), "scale": scaling.scale.tolist(), "kind": scaling.kind}


def _scaling_from_json(values: Header) -> Scaling:
    return Scaling(np.array(values["offset"]), np.array(values["scale"]), values["kind"])


def _float_arrays(model: FloatModel) -> tuple[Arrays, Header]:
    arrays: Arrays = {"head.weights": model.head.weights, "head.bias": model.head.bias}
    rows = []
    for k, layer in enumerate(model.layers):
        made, row = _from_weights(f"layers.{k}", layer)
        arrays |= made
        rows.append(row)
    return arrays, {"layers": rows}


def _from_halves(prefix: str, layer: Halves, of_half: _OfHalf) -> tuple[Arrays, Header]:
    made = {name: of_half(f"{prefix}.{name}", half) for name, half in layer.named_halves.items()}
    arrays = {name: array for each, _ in made.values() for name, array in each.items()}
    rows = {name: row for name, (_, row) in made.items()}
    return arrays, {"cell": layer.cell, "look_ahead": layer.look_ahead, **rows}


def _from_weights(prefix: str, layer: CellWeights) -> tuple[Arrays, Header]:
    if isinstance(layer, BidirectionalWeights):
        return _from_halves(prefix, layer, _from_weights)
    arrays = {f"{prefix}.{name}": getattr(layer, name) for name in layer.arrays}
    return arrays, {"cell": layer.cell, **_numbers(layer)}


def _float_model(arrays: Arrays, header: Header, interface: Interface) -> FloatModel:
    layers = tuple(_cell_weights(arrays, f"layers.{k}", row) for k, row in enumerate(_cells(header["layers"])))
    return FloatModel(layers, DenseWeights(arrays["head.weights"], arrays["head.bias"]), interface)


def _numbers(weights: ArrayWeights) -> Header:
    """What a layer is made of besides its arrays, but for what a reader supposes anyway."""
    values = {name: getattr(weights, name) for name in weights.numbers}
    return {name: value for name, value in values.items() if weights.supposed.get(name) != value}


def _cells(layers: Any) -> list[Header]:
    """The rows of a header; files of before there were other cells count their LSTM layers."""
    return [{"cell": LstmWeights.cell}] * layers if isinstance(layers, int) else layers


def _cell_weights(arrays: Arrays, prefix: str, row: Header) -> CellWeights:
    if row["cell"] == BidirectionalWeights.cell:
        halves: Any = {name: _cell_weights(arrays, f"{prefix}.{name}", row[name]) for name in HALVES}
        return BidirectionalWeights(**halves, look_ahead=row["look_ahead"])
    weights = CELLS[row["cell"]]
    values: dict[str, Any] = {name: arrays[f"{prefix}.{name}"] for name in weights.arrays}
    numbers = {name: row[name] for name in weights.numbers if name in row or name not in weights.supposed}
    return weights(**values, **numbers)


_AFFINE = ("weights", "bias", "multiplier", "shift")
_ENCODING = ("offset", "gain", "low", "high")


def _codec_arrays(model: NativeModel | TfliteModel) -> tuple[Arrays, Header]:
    arrays: Arrays = {f"encoding.{name}": getattr(model.encoding, name) for name in _ENCODING}
    header = {"encoding_zero": model.encoding.zero, "decoding": asdict(model.decoding), "report": model.report}
    return arrays, header


def _codec(arrays: Arrays, header: Header) -> tuple[Encoding, Decoding]:
    offset, gain, low, high = (arrays[f"encoding.{name}"] for name in _ENCODING)
    return Encoding(offset, gain, header["encoding_zero"], low, high), Decoding(**header["decoding"])


def _native_arrays(model: NativeModel) -> tuple[Arrays, Header]:
    arrays, header = _codec_arrays(model)
    arrays |= _affine_arrays("head", model.head)
    rows = []
    for k, layer in enumerate(model.layers):
        made, row = _from_native(f"layers.{k}", layer)
        arrays |= made
        rows.append(row)
    return arrays, header | {"arithmetic": "native", "layers": rows}


def _affine_arrays(prefix: str, block: Affine) -> Arrays:
    return {f"{prefix}.{name}": getattr(block, name) for name in _AFFINE}


def _from_native(prefix: str, layer: NativeLayer) -> tuple[Arrays, Header]:
    if isinstance(layer, NativeBidirectional):
        return _from_halves(prefix, layer, _from_native)
    arrays: Arrays = {}
    for b, block in enumerate(layer.blocks):
        arrays |= _affine_arrays(f"{prefix}.{b}", block)
    if isinstance(layer, NativeLstm):
        return arrays, {"blocks": len(layer.blocks), "features": layer.features, "hidden_bits": layer.hidden_bits}
    arrays |= {f"{prefix}.{name}": getattr(layer, name) for name in layer.arrays}
    return arrays, {"cell": layer.cell, **{name: getattr(layer, name) for name in layer.numbers}}


def _native_model(arrays: Arrays, header: Header, interface: Interface) -> NativeModel:
    layers = tuple(_native_layer(arrays, f"layers.{k}", row) for k, row in enumerate(header["layers"]))
    return NativeModel(layers, _affine(arrays, "head"), *_codec(arrays, header), interface, header["report"])


def _affine(arrays: Arrays, prefix: str) -> Affine:
    return Affine(*(arrays[f"{prefix}.{name}"] for name in _AFFINE))


def _native_layer(arrays: Arrays, prefix: str, row: Header) -> NativeLayer:
    if "cell" not in row:
        blocks = tuple(_affine(arrays, f"{prefix}.{b}") for b in range(row["blocks"]))
        return NativeLstm(blocks, row["features"], row["hidden_bits"])
    if row["cell"] == NativeBidirectional.cell:
        halves: Any = {name: _native_layer(arrays, f"{prefix}.{name}", row[name]) for name in HALVES}
        return NativeBidirectional(**halves, look_ahead=row["look_ahead"])
    kind = NATIVE_CELLS[row["cell"]]
    numbers = {name: row[name] for name in kind.numbers}
    numbers |= {name: arrays[f"{prefix}.{name}"] for name in kind.arrays}
    return kind(tuple(_affine(arrays, f"{prefix}.{b}") for b in range(len(kind.rows))), **numbers)


_FUSED = ("kernel", "recurrent", "bias", "kernel_scale", "recurrent_scale")


def _tflite_arrays(model: TfliteModel) -> tuple[Arrays, Header]:
    arrays, header = _codec_arrays(model)
    arrays |= {"head.weights": model.head.weights, "head.bias": model.head.bias}
    for k, layer in enumerate(model.layers):
        arrays |= {f"layers.{k}.{name}": getattr(layer, name) for name in _FUSED}
    layers = [
        {"input": asdict(x.input), "hidden": asdict(x.hidden), "cell_exponent": x.cell_exponent} for x in model.layers
    ]
    head = {
        "weight_scale": model.head.weight_scale,
        "input": asdict(model.head.input),
        "output": asdict(model.head.output),
    }
    return arrays, header | {"arithmetic": "tflite", "layers": layers, "head": head}


def _tflite_model(arrays: Arrays, header: Header, interface: Interface) -> TfliteModel:
    layers = tuple(
        TfliteLstm(
            **{name: arrays[f"layers.{k}.{name}"] for name in _FUSED},
            input=Quant(**layer["input"]),
            hidden=Quant(**layer["hidden"]),
            cell_exponent=layer["cell_exponent"],
        )
        for k, layer in enumerate(header["layers"])
    )
    values = header["head"]
    head = TfliteDense(
        arrays["head.weights"],
        arrays["head.bias"],
        values["weight_scale"],
        Quant(**values["input"]),
        Quant(**values["output"]),
    )
    return TfliteModel(layers, head, *_codec(arrays, header), interface, header["report"])


def _step_arrays(model: StepModel) -> tuple[Arrays, Header]:
    arrays, header = to_arrays(model)
    return arrays, header | {"report": model.report}


def _step_model(arrays: Arrays, header: Header, interface: Interface) -> StepModel:
    return from_arrays(arrays, header, interface, header["report"])


_KINDS: dict[str, tuple[type, Callable[[Any], tuple[Arrays, Header]], Callable[[Arrays, Header, Interface], Model]]] = {
    "float": (FloatModel, _float_arrays, _float_model),
    "native": (NativeModel, _native_arrays, _native_model),
    "tflite": (TfliteModel, _tflite_arrays, _tflite_model),
    "step": (StepModel, _step_arrays, _step_model),
}
