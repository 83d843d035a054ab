"""HDF5 files of others: arrays that lie within the file, of the shape that is expected, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import MissingDependencyError, ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget


@contextmanager
def open_hdf5(source: Path | bytes, where: Path) -> Iterator[Any]:
    """The root of an HDF5 file.

    Raises:
        MissingDependencyError: without h5py.
        ModelError: if it is none, or is damaged where the block reads it.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            "Keras files need h5py, which is not installed; run: pip install 'edge-lstm[import]'"
        ) from error
    try:
        with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
            yield file
    except _DAMAGE as error:
        raise ModelError(f"{where}: not a whole HDF5 file ({_first(error)}); save the model again") from error


_DAMAGE = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, UnicodeDecodeError),
    *(OverflowError, MemoryError, NotImplementedError),
)
"""What the library says of a damaged file, depending on where the damage is."""


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def descend(group: Any, path: str) -> Any:
    """What lies at a path below a group; None if there is nothing.

    Raises:
        ModelError: if a link on the way leads out of the file.
    """
    import h5py

    for name in path.split("/"):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise ModelError(f"{name!r} is a link to another file; save the model whole")
        group = group[name]
    return group


def read_array(dataset: Any, name: str, shape: tuple[int | None, ...], budget: Budget) -> Array:
    """The numbers of a dataset; None in a shape takes any number.

    Raises:
        ModelError: if it is no dataset of floats of this shape that lies in the file itself.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ModelError(f"its {name} is not in the file; save the model with its weights")
    if dataset.external or dataset.is_virtual:
        raise ModelError(f"its {name} lies in another file; save the model whole")
    found = tuple(dataset.shape or ())
    if len(found) != len(shape) or any(n not in (None, there) for n, there in zip(shape, found, strict=True)):
        raise ModelError(f"its {name} has shape {found}, its configuration asks for {shape}; save it again")
    if dataset.dtype.kind != "f":
        raise ModelError(f"its {name} is of {dataset.dtype}, not of floats; save the model unquantised")
    budget.take(found, dataset.dtype.itemsize, f"its {name}")
    return np.asarray(dataset[()])
