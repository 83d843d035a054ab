"""What a kernel set is: C files, and how a layer and a head are written as constants for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_export.c_source.blueprint import table
from edge_lstm_export.c_source.literals import array

Array = NDArray[Any]


@dataclass(frozen=True)
class Constant:
    """A constant array of C.

    Args:
        c_type: such as ``int8_t``.
        name: its C name is the layer's name and this.
        shape: what its axes are, for the comment beside it.
        align: in bytes, where the kernel loads wider than the type.
    """

    c_type: str
    name: str
    values: Array
    shape: str
    align: int = 0


@dataclass(frozen=True)
class Written:
    """A layer or a head as C.

    Args:
        text: its constants, and whatever the kernel wants written for this one layer.
        function: the kernel.
        constants: the C expression that becomes ``el_layer.constants`` or ``el_head.constants``.
        bytes: of the constants in flash.
    """

    text: str
    function: str
    constants: str
    bytes: int


@dataclass(frozen=True)
class CellKernel:
    """A kernel that a set has of its own for a cell other than the LSTM.

    Args:
        files: sources and headers by scheme, beside the set's own.
        layer: (layer, C name such as ``layer_0``) → C.
        work_words: scratch of a layer, in 4 bytes each.
        serves: whether it computes that layer; the C of all sets does where it does not.
        headers: those that declare what its constants are made of, beside the set's own.
    """

    files: Mapping[Scheme, tuple[str, ...]]
    layer: Callable[[Any, str], Written]
    work_words: Callable[[Any], int]
    serves: Callable[[Any], bool]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class KernelSet:
    """The kernels of a family of cores.

    A kernel is a C function that is given the layer's constants; or a header that is included once a layer, after
    macros for the shape, and defines a function for that layer alone (``instantiate``): it pays where a shape known to
    the compiler removes instructions.

    Args:
        name: the word a board file uses.
        files: sources and headers by scheme, beside those every native model has.
        headers: those of them that declare the kernels and what their constants are made of.
        layer: (layer, C name such as ``layer_0``) → C.
        head: (head, C name) → C.
        work_words: scratch of a layer, in 4 bytes each; layers share the largest.
        instead: files of the C that all sets share → the set's own, with the same functions and constants.
        cells: kernels with constants of their own for other cells, by their names.
    """

    name: str
    files: Mapping[Scheme, tuple[str, ...]]
    headers: tuple[str, ...]
    layer: Callable[[NativeLstm, str], Written]
    head: Callable[[Affine, str], Written]
    work_words: Callable[[NativeLstm], int]
    instead: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, CellKernel] = field(default_factory=dict)


def declare(name: str, constants: list[Constant]) -> str:
    """The C of constant arrays, named ``<name>_<constant name>``."""
    return "\n".join(array(c.c_type, f"{name}_{c.name}", c.values, c.shape, c.align) for c in constants)


def bytes_of(constants: list[Constant]) -> int:
    """What constants take in flash."""
    width = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}
    return sum(width[c.c_type] * c.values.size for c in constants)


def written(function: str, c_type: str, name: str, blocks: list[list[Constant]]) -> Written:
    """Constants of each block, and one ``c_type`` of pointers to them a block."""
    texts = [declare(f"{name}_{k}", block) for k, block in enumerate(blocks)]
    rows = ["{" + ", ".join(f"{name}_{k}_{c.name}" for c in block) + "}" for k, block in enumerate(blocks)]
    text = "\n".join([*texts, table(c_type, f"{name}_rows", rows)])
    return Written(text, function, f"{name}_rows", sum(bytes_of(block) for block in blocks))


def instantiate(header: str, name: str, shape: Mapping[str, int]) -> str:
    """Include a kernel's header for one layer.

    The header sees ``EL_LAYER(x)``, which gives ``<name>_x``, and ``EL_LAYER_<KEY>`` for every key of ``shape``; it
    defines ``EL_LAYER(step)``. All are undefined again afterwards.
    """
    macros = {"EL_LAYER(x)": f"{name}_##x"} | {f"EL_LAYER_{key.upper()}": str(value) for key, value in shape.items()}
    defines = "".join(f"#define {macro} {value}\n" for macro, value in macros.items())
    undefines = "".join(f"#undef {macro.split('(')[0]}\n" for macro in macros)
    return f'{defines}#include "{header}"\n{undefines}'
