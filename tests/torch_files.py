"""Files as ``torch.save`` writes them, without torch: its zip layout and its pickle, from arrays."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


class Stored:
    """A tensor to be pickled: an array whose bytes go to ``data/KEY``."""

    def __init__(self, array: Any, key: str) -> None:
        self.array, self.key = np.asarray(array), key

    def __reduce__(self) -> tuple[Any, ...]:
        import torch._utils

        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        return torch._utils._rebuild_tensor_v2, (self.key_of(), 0, self.array.shape, strides, False, OrderedDict())

    def key_of(self) -> Storage:
        return Storage(self)


class Storage:
    def __init__(self, tensor: Stored) -> None:
        self.tensor = tensor


class TorchPickler(pickle.Pickler):
    """Storages become persistent ids, as torch's own pickler makes them."""

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        array = value.tensor.array
        kind = getattr(sys.modules["torch"], STORAGES[array.dtype.str[1:]])
        return "storage", kind, value.tensor.key, "cpu", array.size


@contextmanager
def names_of_torch() -> Iterator[None]:
    """Modules of torch's names, so that the pickle bears them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None:
        """Only its name is pickled."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2, torch._utils = _rebuild_tensor_v2, utils  # type: ignore[attr-defined]
    there = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in there.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def pickled(value: Any) -> bytes:
    out = io.BytesIO()
    TorchPickler(out, protocol=2).dump(value)
    return out.getvalue()


def write(path: Path, content: bytes, storages: Mapping[str, bytes], name: str = "archive") -> Path:
    """The zip file around a pickle."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{name}/data.pkl", content)
        archive.writestr(f"{name}/byteorder", b"little")
        for key, data in storages.items():
            archive.writestr(f"{name}/data/{key}", data)
        archive.writestr(f"{name}/version", b"3\n")
    return path


def save(path: Path, tensors: Mapping[str, Any], wrap: Any = lambda state: state) -> Path:
    """What ``torch.save(wrap(state_dict), path)`` writes."""
    stored = OrderedDict((name, Stored(array, str(k))) for k, (name, array) in enumerate(tensors.items()))
    stored._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    with names_of_torch():
        content = pickled(wrap(stored))
    return write(path, content, {tensor.key: tensor.array.tobytes("A") for tensor in stored.values()})
