"""Writes docs/import.md from the code: what is imported, what is refused and why. A test holds the two together."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import (
    READERS,
    embedding,
    keras_layers,
    onnx_nodes,
    onnx_recurrent,
    tf_values,
    tflite_file,
    torch_file,
    untold,
)
from edge_lstm.importers.cells import NAMES
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.given import Given
from edge_lstm.importers.interface import float_model
from edge_lstm.importers.network import network_of
from edge_lstm.importers.onnx_file import read_onnx
from edge_lstm.importers.onnx_scan import PROGRAM

PAGE = Path(__file__).with_name("import.md")

EQUAL = "imported, equal"

_GRU = {"Keras": "`reset_after` true and false", "ONNX": "`linear_before_reset` 0 and 1", "PyTorch": "resets after"}


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Import",
            "",
            "Made from the code by `docs/make_import_table.py`. What stands in the way of an import is refused by its",
            "name, with the nearest change; `edge-lstm import FILE --check` lists a file's layers.",
            "",
            f"Files: {', '.join(f'`{ending}`' for ending in READERS)}, and the folder of a TensorFlow SavedModel.",
            "",
            "## Cells",
            "",
            *_table(("cell", *_GRU), _cells()),
            "",
            "A simple RNN squashes with tanh or relu. LSTMs with peepholes come from ONNX and from fused `.tflite`",
            "files: neither Keras nor PyTorch has them.",
            "",
            "No other program has a layer of FastGRNN: train it here. Float ONNX and TFLite files that",
            "`edge-lstm export` wrote of it come back; any other `Scan` than that of the ONNX file is refused.",
            "",
            "Dense layers may stand before, between and behind them, with `linear`, `relu`, `tanh` or `sigmoid`; the",
            "last one is the head. A head is `linear`, `softmax`, or one `sigmoid`, which becomes two labels. Several",
            "`sigmoid`, `relu` or `tanh` become a dense layer whose outputs are numbers of a `regress`: sigmoids are",
            "as many yes-or-no answers, so the stream gives a probability of each, and no label. A label alone",
            "(`ArgMax`) is left out, for a stream tells the label itself.",
            "",
            "Causal convolutions over time (`Conv1D`, `Conv`, `nn.Conv1d`) may stand among them, with the same",
            "activations; a dilated one keeps noughts between its taps. Bidirectional layers are taken with",
            "`--look-ahead N`: each is then N steps late, and knows those N alone of what follows.",
            "",
            "An embedding (Keras `Embedding`, ONNX `Gather` from a constant table, `nn.Embedding`) of at most",
            f"{embedding.MOST_TOKENS} tokens is a dense layer over as many channels, `{embedding.CHANNEL}0`…: push a",
            "one-hot row, 1 at the token and 0 elsewhere. Every step multiplies the whole table.",
            "",
            "## Keras",
            "",
            *_table(("layer", "what becomes of it"), _keras_layers()),
            "",
            "Of recurrent layers these arguments must be left as they are; all others are honoured, or act in training",
            "alone. Stateful layers carry their state for ever.",
            "",
            *_table(("argument", "layers", "must be", "otherwise"), _keras_arguments()),
            "",
            "## ONNX",
            "",
            *_table(("operator", "what becomes of it"), _onnx_operators()),
            "",
            "An LSTM with `input_forget` 1, whose forget gate is 1 - i, is taken: 1 - σ(z) = σ(-z) is in its weights.",
            "States that are inputs of the graph are zero where a stream begins, and a stream carries them. A file",
            "that `edge-lstm export` wrote comes back with its scaling, channels, labels, task and window.",
            "",
            *_table(("attribute or input", "operators", "refused because"), _onnx_attributes()),
            "",
            "The node tests of the package onnx for these operators:",
            "",
            *_table(("test", "result"), node_tests().items()),
            "",
            "## TFLite",
            "",
            "The fused LSTM of the Keras 2 converter, in float32, int8, or int8 weights alone, with peepholes too;",
            "LSTM, GRU and simple RNN in the loops that Keras 3 converts to; an unrolled LSTM; float files of",
            "`edge-lstm export`, and its int8 ones of LSTM, simple RNN and dense layers. Weights of int8 are code",
            "times scale: the rounding of the original stays in them, and the comparison allows for it. An LSTM",
            "without the operands of an input gate (CIFG), which is 1 - f then, is taken as `input_forget` is.",
            "",
            *_table(("operator", "what becomes of it"), _tflite_operators()),
            "",
            *_table(("operand of a fused LSTM", "refused because"), _tflite_operands()),
            "",
            "## SavedModel",
            "",
            "Of Keras 3 (`model.export`, `tf.saved_model.save`) and Keras 2, without TensorFlow: the graph is followed",
            "from the input to the output, and what its loops compute must be an LSTM, a GRU or a simple RNN. It is",
            "not run to read it; for the comparison only if it does nothing but compute. Refused by name:",
            "",
            *_table(("operator", "refused because"), [(f"`{n}`", w) for n, w in tf_values.REFUSED.items()]),
            "",
            "## PyTorch",
            "",
            "`nn.LSTM`, with `proj_size` too, `nn.GRU`, `nn.RNN` and their cells, told apart by the shapes of their",
            "weights, `nn.Linear`, `nn.BatchNorm1d`, `nn.Embedding`; any number of each, in the order they were made",
            "in or, where a file sorts them or that does not fit, in the one that widths and numbers in names allow.",
            "The last linear layer is the head. What squashes behind the others, and behind the normalisation of one,",
            f"is said with `--activations`, {' '.join(f'`{name}`' for name in untold.CHOICES)} for each in that order:",
            "",
            "    edge-lstm import trained.pt -o build/mine.safetensors --activations relu,tanh",
            "",
            *_table(("argument or module", "refused because"), _torch()),
            "",
            "Supposed, and said at every import:",
            "",
            f"- {torch_file.SUPPOSED}",
            f"- {torch_file.SUPPOSED_TANH}",
            f"- {torch_file.SUPPOSED_CAUSAL}",
            f"- {torch_file.SUPPOSED_EPSILON}",
            "",
            "A state dict is not run, so no comparison tells the two apart: what `--nonlinearity` says is believed.",
            "",
        ]
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cells() -> Iterator[tuple[str, ...]]:
    wraps = {layer: cell for cell, layer in keras_layers.OF_CELLS.items()}
    modules = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
    operators = {operator.cell: name for name, operator in onnx_recurrent.OPERATORS.items()}
    for layer, cell in keras_layers.RECURRENT.items():
        if not cell:
            continue
        names = (f"`{layer}`, `RNN({wraps[layer]})`", f"`{operators[cell]}`", f"`nn.{modules[cell]}`")
        reset = [f", {how}" if cell == "gru" else "" for how in _GRU.values()]
        yield NAMES[cell], *(name + more for name, more in zip(names, reset, strict=True))


def _keras_layers() -> Iterator[tuple[str, str]]:
    for name in keras_layers.TAKEN:
        yield f"`{name}`", "taken"
    for name, note in keras_layers.NOTHING.items():
        yield f"`{name}`", f"passed over{f', {note}' if note else ''}"
    for name, why in keras_layers.REFUSED.items():
        yield f"`{name}`", f"refused: {why}"
    yield "others", f"refused: {keras_layers.UNKNOWN}"


def _keras_arguments() -> Iterator[tuple[str, str, str, str]]:
    layers: dict[Any, list[str]] = {rule: ["all"] for rule in keras_layers.RULES}
    for layer, rules in keras_layers.CELL_RULES.items():
        for rule in rules:
            layers.setdefault(rule, []).append(f"`{layer}`")
    for (key, allowed, why), names in layers.items():
        yield f"`{key}`", ", ".join(names), " or ".join(f"`{each!r}`" for each in allowed), why


def _torch() -> Iterator[tuple[str, str]]:
    for argument, why in torch_file.REFUSED.items():
        yield f"`{argument}`", why
    yield "a second `nn.Linear`, without `--activations`", untold.asked(["fc1", "fc2"])
    yield "others", torch_file.UNKNOWN


def _onnx_operators() -> Iterator[tuple[str, str]]:
    for name in onnx_nodes.TAKEN:
        only = f", if it is a FastGRNN of `edge-lstm export`; any other {PROGRAM}" if name == "Scan" else ""
        yield f"`{name}`", f"taken{only}"
    for name, why in onnx_nodes.REFUSED.items():
        yield f"`{name}`", f"refused: {why}"
    yield "others", f"refused: {onnx_nodes.UNKNOWN}"


def _tflite_operators() -> Iterator[tuple[str, str]]:
    for name in (*tflite_file.TAKEN, *tflite_file.MOVES):
        yield f"`{name}`", "taken"
    yield "`WHILE`", "taken, if its body is an LSTM, a GRU or a simple RNN"
    for name, why in tflite_file.REFUSED.items():
        yield f"`{name}`", f"refused: {why}"
    yield "others", f"refused: {tflite_file.UNKNOWN}"


def _tflite_operands() -> Iterator[tuple[str, str]]:
    for places, why in tflite_file.VARIANTS:
        yield ", ".join(map(str, places)), why
    yield "1 or 5 absent, and not 1, 5 and 12", tflite_file.HALF


def _onnx_attributes() -> Iterator[tuple[str, str, str]]:
    for key, _, why in onnx_recurrent.RULES:
        where = {"input_forget": "`LSTM`", "linear_before_reset": "`GRU`"}.get(key, "all")
        yield f"`{key}`", where, why
    for name, operator in onnx_recurrent.OPERATORS.items():
        yield "`activations`", f"`{name}`", f"a cell here has {onnx_recurrent.named(operator)}; train it so"
    for name, (where, why) in onnx_recurrent.INPUTS.items():
        yield f"`{name}`", where, why


def cases() -> dict[str, Any]:
    """The node tests of the package onnx for recurrent operators, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy in the making of the tests' data
        from onnx.backend.test.case import node
        from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: F401 - their classes make the tests

        # What collect_testcases gives after it has made those of all 200 operators, in eight seconds.
        made = node._NodeTestCases
    wanted = onnx_recurrent.OPERATORS
    return {case.name: case for case in made if case.model.graph.node[0].op_type in wanted}


def node_tests() -> dict[str, str]:
    """Every node test → ``EQUAL``, or the refusal.

    Raises:
        AssertionError: if one is imported and computes other outputs than the test expects.
    """
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        return {name: _outcome(case, Path(folder, "m.onnx")) for name, case in sorted(cases().items())}


def _outcome(case: Any, path: Path) -> str:
    """Weights, which these tests feed as inputs, are constants, as in a trained model's file."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = case.data_sets[0]
    x, *weights = zip((value.name for value in model.graph.input), inputs, strict=True)
    for name, value in weights:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    onnx.save(model, path)
    try:
        chain = read_onnx(path)
        ours, _ = float_model(chain, Given(task="regress"), path)
    except ModelError as error:
        return "refused: " + str(error).partition("): ")[2]
    order = [chain.input_axes.index(axis) for axis in ("batch", "time", "features")]
    wanted = np.asarray(outputs[0])
    for computed in outputs_as_in_file(network_of(chain, path), ours, np.asarray(x[1]).transpose(order)):
        far = np.abs(computed.ravel() - wanted.ravel()).max()
        if not far <= BOUND * np.abs(wanted).max():
            raise AssertionError(f"{case.name}: {far:.1e} from the expected outputs")
    return EQUAL


if __name__ == "__main__":
    PAGE.write_text(page())
