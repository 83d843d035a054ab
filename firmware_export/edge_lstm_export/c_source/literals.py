"""Every identifier and literal of the generated C is made here, and refused here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ExportError

LONGEST_STRING = 1000
"""Bytes. C99 promises 4095 characters a literal, and an escaped byte takes four of them."""

_PREFIX = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_WIDTH = 110

_KEYWORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const constexpr continue
    default delete do double else enum explicit export extern false final float for friend goto if inline int long
    mutable namespace new noexcept not not_eq nullptr operator or or_eq override private protected public register
    restrict return short signed sizeof static struct switch template this throw true try typedef typeid typename
    union unsigned using virtual void volatile while xor xor_eq
"""


def prefix_name(prefix: str) -> str:
    """``prefix``, if it can begin the names of a model in C and C++.

    Raises:
        ExportError: if it is not lower-case words joined by single underscores, or would meet the library's own names.
    """
    if not _PREFIX.fullmatch(prefix) or prefix in _KEYWORDS.split() or len(prefix) > 31:
        raise ExportError(
            f"C prefix {prefix!r} cannot begin a C name; give at most 31 of a-z, 0-9 and single underscores, "
            "beginning with a letter, such as 'gesture'"
        )
    if prefix.startswith("el_"):
        raise ExportError(f"C prefix {prefix!r} begins like the kernels' own names; give one without 'el_'")
    return prefix


def string(text: str) -> str:
    """A C string literal of the UTF-8 bytes of ``text``.

    Raises:
        ExportError: if the text holds a NUL or is too long.
    """
    data = text.encode()
    if b"\0" in data or len(data) > LONGEST_STRING:
        raise ExportError(f"the name {text[:20]!r}… cannot be a C string: at most {LONGEST_STRING} bytes and no NUL")
    return '"' + "".join(_character(byte) for byte in data) + '"'


def _character(byte: int) -> str:
    # A question mark could begin a trigraph. Octal escapes end after three digits; hexadecimal ones do not end.
    plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def real(value: Any) -> str:
    """A float literal that reads back as the same float32.

    Raises:
        ExportError: if the value is not a finite float32.
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if not np.isfinite(single):
        raise ExportError(f"{value} is not a finite float32, so C cannot hold it; check the scaling of the data")
    text = f"{single:.9g}"
    return (text if any(mark in text for mark in ".e") else text + ".0") + "F"


def integer(value: Any) -> str:
    """An integer literal of any type up to 32 bits, on compilers whose int has 16."""
    number = int(value)
    # -2147483648 would be minus a literal that does not fit, so it never appears: codes and biases are smaller.
    if not -(2**31) < number < 2**31:
        raise ExportError(f"{number} does not fit a 32-bit C integer")
    return f"{number}L" if not -32768 < number < 32768 else str(number)


def array(c_type: str, name: str, values: NDArray[Any], shape: str, align: int = 0) -> str:
    """A constant array, with its shape beside it; ``align`` in bytes, where a kernel loads wider than the type."""
    body = _wrapped(map(real if c_type == "float" else integer, values.flat))
    aligned = f" EL_ALIGNED({align})" if align else ""
    return f"/* {shape} */\nstatic const {c_type} {name}[{values.size}] EL_FLASH{aligned} = {{\n{body}}};\n"


def strings(name: str, texts: Iterable[str]) -> str:
    """A public array of string constants, one a line."""
    rows = [f"    {string(text)},\n" for text in texts]
    return f"const char *const {name}[{len(rows)}] = {{\n{''.join(rows)}}};\n"


def _wrapped(words: Iterable[str]) -> str:
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line + "\n")
            line = "   "
        line += f" {word},"
    return "".join([*lines, line + "\n"])


def require_within(what: str, values: Any, low: int, high: int) -> None:
    """Refuse integers that their C type or the kernels cannot hold.

    Raises:
        ExportError: naming the first of them.
    """
    bad = [int(v) for v in np.asarray(values).flat if not low <= v <= high]
    if bad:
        raise ExportError(f"C kernels take a {what} of {low:,} to {high:,}; this model has {bad[0]:,}")
