"""Writes ``fit_table.json``: what kernels take on each core, as sums of terms in the shape of a layer.

    python bench/fit_table.py [CORE ...]

Run it after a change to kernels, compilers or cores. For every core that an emulator runs, one program holds kernels
for many shapes: the linker tells the code of each, the emulator what each takes. A few whole models give what is around
them. The terms are then chosen one by one, each time the one that explains most of what is left.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from random_models import random_native

from edge_lstm.board import Board, Core, core_names, load_core
from edge_lstm.integer import Affine, NativeLstm, NativeModel, Scheme
from edge_lstm.model import Task
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.blueprint import table
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.firmware.image import Image
from edge_lstm_export.fit import TABLE, model_terms, shape_of, term, total
from edge_lstm_export.footprint import FLASH_PARTS
from edge_lstm_export.size import flash_parts, link, ram_parts, spans

RESULT = Path(__file__).parents[1] / "firmware_export" / "edge_lstm_export" / TABLE
DRIVER = Path(__file__).with_name("fit_driver.c")
SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")

MOST_TERMS = 20
CLOSE = 0.0005
"""No more terms are taken when every shape is met this closely."""

STEPS = (1, 2, 4, 8, 16)
"""Kernels take inputs and rows in groups of so many, and pad or finish by themselves what is left."""

UNROLLED = (
    *("inputs/1", "inputs2/2", "inputs/4", "inputs4/4", "inputs/8", "inputs2/8", "inputs4/8"),
    *("rows/1", "rows2/2", "rows/4", "rows4/4", "rows/8", "rows2/8", "rows4/8"),
    *("both/4", "both/4+", "both2/2", "both2/4", "both2/8", "both4/4", "both4/8", "both8/8"),
    *("both/8", "both/8+", "both/16", "both/16+"),
)
"""Of these a loop may be unrolled up to some number of groups."""

PASSES = (1, 2, 3, 4, 6, 8)
MOST_UNROLLED = 18

LAYERS, HEADS = 120, 64
SHIFTS = {"w8a16": np.arange(11, 15), "w8a8": np.arange(7, 12)}
"""What training gives."""

MODELS = (
    (9, (8,), 6, True),
    (3, (5, 7), 4, False),
    (7, (4, 6, 5), 2, True),
    (1, (5,), 1, False),
    (2, (3, 4), 9, True),
)
"""Features, units, outputs, and whether the outputs are names: small, because what is around a network is."""

LARGE = re.compile(r"(\[\d{4,}\][^=]* = \{)[^}]*\}")
"""Weights of a thousand and more are left zeros, for compilers read slowly; instructions do not hang on them. Cycles on
AVR do."""

SMALL_FLASH = {"avr5": 14_000}
"""Cores whose flash holds few shapes at a time, and the bytes for weights there."""


def shapes_of(core: Core) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """((features, units) of layers, (units, outputs) of heads), the same in every run."""
    rng = np.random.default_rng(0)
    small = core.name in SMALL_FLASH
    widest = 24 if small else 130
    small_units, small_features = rng.integers(1, 20, LAYERS // 2), rng.integers(1, 44, LAYERS // 2)
    units, features = (
        np.concatenate([some, rng.integers(1, widest, LAYERS - LAYERS // 2)]) for some in (small_units, small_features)
    )
    inputs = np.concatenate([rng.integers(1, 40, 32), rng.integers(1, widest, HEADS - 32)])
    outputs = np.resize(np.stack([rng.integers(1, 6, HEADS), rng.integers(1, 20, HEADS)], axis=1), HEADS)
    heads = [(int(u), int(o)) for u, o in zip(inputs, outputs, strict=True)]
    return [(int(f), int(h)) for f, h in zip(features, units, strict=True)], heads


def random_rows(rows: int, columns: int, scheme: Scheme) -> Affine:
    rng = np.random.default_rng(rows * 1000 + columns)
    shift = np.resize(SHIFTS[scheme], rows)
    bias = rng.integers(-20_000, 20_000, rows)
    return Affine(rng.integers(-60, 61, (rows, columns)), bias, rng.integers(128, 256, rows), shift)


def layer_of(features: int, units: int, scheme: Scheme) -> NativeLstm:
    widths = (features + units,) if scheme == "w8a16" else (features, units)
    return NativeLstm(tuple(random_rows(4 * units, width, scheme) for width in widths), features, 8)


def chunks(shapes: list[tuple[int, int]], most: int) -> list[list[tuple[int, int]]]:
    """Lists of layers whose weights fit together."""
    found: list[list[tuple[int, int]]] = [[]]
    filled = 0
    for features, units in shapes:
        filled += 4 * units * (features + units) + 40 * units
        if filled > most and found[-1]:
            found.append([])
            filled = 4 * units * (features + units) + 40 * units
        found[-1].append((features, units))
    return found


def measure_shapes(
    core: Core, scheme: Scheme, layers: list[tuple[int, int]], heads: list[tuple[int, int]]
) -> tuple[list[int], list[int], list[int], list[int]]:
    """(count and bytes of code of each layer, the same of each head); the call around a kernel counts too."""
    chosen, base = kernel_set(core.kernels), tiny(scheme)
    models = [layer_of(*shape, scheme) for shape in layers]
    written = [chosen.layer(model, f"layer_{k + 1}") for k, model in enumerate(models)]
    ends = [chosen.head(random_rows(outputs, units, "w8a16"), f"head_{k}") for k, (units, outputs) in enumerate(heads)]
    rows = [f"{{{w.function}, {w.constants}, {f}, {h}, 8}}" for w, (f, h) in zip(written, layers, strict=True)]
    head_rows = [f"{{{w.function}, {w.constants}, {u}, {o}}}" for w, (u, o) in zip(ends, heads, strict=True)]
    tables = [table("el_layer", "fit_layers", rows), table("el_head", "fit_heads", head_rows)]
    sizes = {
        "LAYERS": len(layers),
        "HEADS": len(heads),
        "UNITS": max(units for _, units in layers + [(0, u) for u, _ in heads]),
        "FEATURES": max(features for features, _ in layers),
        "OUTPUTS": max(outputs for _, outputs in heads) + 1,
        "WORDS": max(chosen.work_words(model) for model in models),
    }
    source = write_c(base, kernel_set_name=core.kernels)
    light = core.name not in SMALL_FLASH
    texts = [LARGE.sub(r"\1 0 }", w.text) if light else w.text for w in (*written, *ends)]
    more = "\n".join([*texts, *(t.replace("static const", "const") for t in tables)])
    source |= {
        "model.c": source["model.c"]
        + f"\nextern const el_layer fit_layers[];\nextern const el_head fit_heads[];\n{more}".encode(),
        "el_native.c": DRIVER.read_bytes(),
        "fit_shapes.h": "".join(f"#define FIT_{name} {size}\n" for name, size in sizes.items()).encode(),
    }
    image = program(core, source)
    steps = len(layers) + len(heads)
    done = emulate(core, image, Layout(1, 1, (1,), (1,)), [np.zeros((steps, 1), int)], 1)
    code = code_by_name(image)
    layer_code = [code_of(code, f"layer_{k + 1}_") for k in range(len(layers))]
    head_code = [code_of(code, f"head_{k}_") for k in range(len(heads))]
    counts = done.counts.tolist()
    return counts[: len(layers)], layer_code, counts[len(layers) :], head_code


def code_by_name(image: Image) -> list[tuple[str, int]]:
    functions = image.functions
    return [(name, size) for name, size in spans(image, ".text") if name in functions]


def code_of(code: list[tuple[str, int]], prefix: str) -> int:
    return sum(size for name, size in code if name.startswith(prefix))


def tiny(scheme: Scheme) -> NativeModel:
    return replace(random_native(1, (1,), 1, scheme)[0], layers=(layer_of(1, 1, scheme),))


@cache
def candidates(shapes: tuple[tuple[int, int], ...], head: bool, code: bool) -> tuple[list[str], Any]:
    """All terms that may be chosen, and (shapes, terms) their values: see ``edge_lstm_export.fit.term``.

    Args:
        code: of bytes of code; otherwise of counts.
    """
    widths = [(name, padding) for name in ("inputs", "rows", *(() if head else ("both",))) for padding in STEPS]
    columns = [f"{name}{padding}/{step}" for name, padding in widths for step in STEPS if step >= padding]
    columns += [f"{name}{padding}/{step}+" for name, padding in widths for step in STEPS if step > padding]
    loops = [
        f"{group}{'<' if code else '>'}{most}:{passes}"
        for group in UNROLLED
        if not (head and group.startswith("both"))
        for passes in PASSES
        for most in range(passes, MOST_UNROLLED)
    ]
    blocks = [f"rows/{step}*{column}" for step in STEPS for column in ("1", *columns)]
    each = [] if code else [f"rows/{step}*{loop}" for step in (1, 8) for loop in loops if step == 1 or "/16" in loop]
    names = ["1", *columns, *blocks, *loops, *each]
    return names, np.array([[term(name, *shape) for name in names] for shape in shapes], float)


def choose(
    shapes: Sequence[tuple[int, int]], values: Sequence[float], whole: Any, *, head: bool, code: bool
) -> dict[str, float]:
    """Terms and factors for values, one of each a shape, (inputs, rows).

    Each time the term that explains most of what is left; then those taken before have to prove themselves again.

    Args:
        whole: (shapes) what an error counts in proportion to.
    """
    wanted = np.array(values, float) / whole
    if np.ptp(values) == 0:
        return {"1": float(values[0])} if values[0] else {}
    names, known = candidates(tuple(shapes), head, code)
    matrix = known / np.array(whole)[:, None]
    taken = [0]
    while len(taken) < MOST_TERMS:
        if np.abs(unexplained(matrix[:, taken], wanted)).max() <= CLOSE:
            break
        taken.append(int(gains(matrix, taken, wanted).argmax()))
        for k in range(1, len(taken)):
            others = taken[:k] + taken[k + 1 :]
            gained = gains(matrix, others, wanted)
            if gained.max() > gained[taken[k]] * (1 + 1e-6):
                taken[k] = int(gained.argmax())
    factors = np.linalg.lstsq(matrix[:, taken], wanted, rcond=None)[0]
    return {names[k]: round(float(f), 3) for k, f in zip(taken, factors, strict=True) if abs(f) > 5e-4}


def unexplained(matrix: Any, wanted: Any) -> Any:
    base, _ = np.linalg.qr(matrix)
    return wanted - base @ (base.T @ wanted)


def gains(matrix: Any, taken: list[int], wanted: Any) -> Any:
    """(terms) by how much the error would shrink with each of them more."""
    base, _ = np.linalg.qr(matrix[:, taken])
    left, size = matrix - base @ (base.T @ matrix), np.linalg.norm(matrix, axis=0)
    norm = np.linalg.norm(left, axis=0)
    return np.abs(left.T @ unexplained(matrix[:, taken], wanted)) / np.where(norm > 1e-6 * size, norm, np.inf)


def whole_model(features: int, units: tuple[int, ...], outputs: int, labels: bool, scheme: Scheme) -> tuple[Any, Any]:
    model, codes = random_native(features, units, outputs, scheme)
    task = model.interface.task
    if not labels:
        task = Task("regress", task.outputs)
    return replace(model, interface=replace(model.interface, task=task)), codes


def measure_core(core: Core, scheme: Scheme) -> tuple[dict[str, dict[str, float]], str, str]:
    """(terms by what they are of, unit of counts, emulator)."""
    layers, heads = shapes_of(core)
    counts: list[list[int]] = [[], [], [], []]
    parts = chunks(layers, SMALL_FLASH.get(core.name, 1 << 20))
    for k, part in enumerate(parts):
        some_heads = heads[k :: len(parts)] or heads[:1]
        found = measure_shapes(core, scheme, part, some_heads)
        for kept, new in zip(counts, found, strict=True):
            kept += new
    heads = [head for k in range(len(parts)) for head in heads[k :: len(parts)]]
    work, flash = (np.array([least(inputs, inputs) for inputs, _ in heads]) for least in (least_count, least_flash))
    least = np.array([least_flash(*shape) for shape in layers])
    terms = {
        "count of a layer": choose(layers, counts[0], np.array(counts[0]), head=False, code=False),
        "kernels of a layer": choose(layers, counts[1], least, head=False, code=True),
        "count of the head": choose(heads, counts[2], np.maximum(work, counts[2]), head=True, code=False),
        "kernels of the head": choose(heads, counts[3], flash, head=True, code=True),
    }
    rest, unit, emulator = around(core, scheme, terms)
    return terms | rest, unit, emulator


def least_flash(inputs: int, rows: int) -> int:
    """Bytes of any model with a layer of that shape."""
    return 4 * rows * (inputs + rows) + 40 * rows + 1500


def least_count(inputs: int, rows: int) -> int:
    """Instructions of a layer of that shape on the fastest cores."""
    return rows * (inputs + rows) // 2 + 30 * rows


def around(
    core: Core, scheme: Scheme, known: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, dict[str, float]], str, str]:
    """(what whole models take beyond their layers and heads, unit of counts, emulator)."""
    chosen = kernel_set(core.kernels)
    board = Board(core.name, "", core, "")
    rows: dict[str, list[float]] = {part: [] for part in (*FLASH_PARTS, "other", "stack", "count")}
    shapes = []
    for asked in MODELS:
        model, codes = whole_model(*asked, scheme)
        shape = shape_of(model.interface, tuple(layer.units for layer in model.layers), scheme)
        source = write_c(model, kernel_set_name=core.kernels)
        image = link(source, board, shape.labels)
        done = emulate(core, program(core, source), Layout.of(model), [codes], None)
        found: dict[str, float] = dict(flash_parts(image))
        found["other"] = ram_parts(image, 6 * sum(shape.units), core)["other"]
        found["stack"], found["count"] = done.stack_bytes, float(np.median(done.counts))
        written = [chosen.layer(layer, f"layer_{k}") for k, layer in enumerate(model.layers)]
        found["weights and rows"] -= sum(w.bytes for w in written) + chosen.head(model.head, "head").bytes
        found["codec"] -= 12 * shape.features + (0 if shape.labels else 8 * shape.outputs)
        found["names"] -= shape.text_bytes if shape.labels else 0
        if core.constants == "ram":
            found["other"] -= shape.text_bytes if shape.labels else 0
        for part in ("count", "kernels"):
            found[part] -= sum(total(known[f"{part} of a layer"], *layer) for layer in shape.layers)
            found[part] -= total(known[f"{part} of the head"], shape.units[-1], shape.outputs)
        for part, kept in rows.items():
            kept.append(found[part])
        shapes.append(model_terms(shape))
    useful = {
        "stack": ("1",),
        "count": ("1", "layers"),
        "weights and rows": ("1", "layers"),
        "kernels": ("1", "layers"),
        "driver": ("1", "layers"),
        "codec": ("1", "labels"),
        "names": ("names", "text of channels") if core.constants == "ram" else ("names",),
        "sigmoid table": ("1",),
        "compiler's library": ("1", "labels"),
        "other": ("1", "layers", "labels", "names", "text of channels") if core.constants == "ram" else ("1",),
    }
    result = {}
    for part, values in rows.items():
        if part == "stack":
            result[part] = {"1": max(values)}
            continue
        columns = np.array([[shape[name] for name in useful[part]] for shape in shapes], float)
        factors = np.linalg.lstsq(columns, np.array(values, float), rcond=None)[0]
        result[part] = {
            name: round(float(f), 2) for name, f in zip(useful[part], factors, strict=True) if abs(f) > 0.01
        }
    return result, done.unit, done.emulator


def row_of(name: str) -> dict[str, Any]:
    """What the table says of a core."""
    core = load_core(name)
    row: dict[str, Any] = {"kernels": core.kernels}
    for scheme in SCHEMES:
        row[scheme], row["unit"], row["emulator"] = measure_core(core, scheme)
    return row


def main(asked: list[str]) -> None:
    start = time.monotonic()
    names = [name for name in asked or core_names() if load_core(name).emulator]
    with ProcessPoolExecutor() as pool:
        rows = dict(zip(names, pool.map(row_of, names), strict=True))
    kept: dict[str, Any] = json.loads(RESULT.read_text()) if asked and RESULT.is_file() else {}
    RESULT.write_text(json.dumps(dict(sorted((kept | rows).items())), indent=1) + "\n", encoding="utf-8")
    for name, row in rows.items():
        print(f"{name:<14}{row['kernels']:<10}{row['emulator']}")
    print(f"{len(rows)} cores in {time.monotonic() - start:.0f} s: {RESULT}")


if __name__ == "__main__":
    main(sys.argv[1:])
