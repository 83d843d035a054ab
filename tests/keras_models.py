"""``python keras_models.py FOLDER``: trained-looking Keras models for import, with what Keras computes from them.

All in one process, because TensorFlow takes seconds to start. Each file that can be imported has a ``FILE.npz`` beside
it of inputs x (B, T, F), of tokens as one-hot rows, and outputs y.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, STEPS, BATCH, TOKENS = 3, 6, 4, 7


CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {"reset_after": True}),
    "gru_before": ("GRU", {"reset_after": False}),
    "rnn": ("SimpleRNN", {}),
}
"""Name of a cell → class and arguments of its layer."""


def grid() -> dict[str, dict[str, Any]]:
    """Name → how a plain stack is built: of one cell, and of all in any order. Formats and ways to build take turns."""
    axes = itertools.product(CELLS, (1, 2, 3), (True, False), (True, False))
    one = [((cell,) * depth, bias, every) for cell, depth, bias, every in axes]
    mixed = [(cells, True, False) for cells in itertools.permutations(CELLS)]
    return {
        "-".join([*cells, ("free", "bias")[bias], ("last", "every")[every]]) + (".keras", ".h5")[(k ^ k >> 2) & 1]: {
            "cells": cells,
            "bias": bias,
            "every": every,
            "row": (k ^ k >> 1 ^ k >> 3) & 1 == 0,
        }
        for k, (cells, bias, every) in enumerate(one + mixed)
    }


LAYERS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
"""Class of a layer → cell."""

_SHARED = {
    "defaults": ({}, ""),
    "no bias": ({"use_bias": False}, ""),
    "unrolled": ({"unroll": True}, ""),
    "dropout": ({"dropout": 0.3, "recurrent_dropout": 0.2}, ""),
    "regularised": ({"kernel_regularizer": "l2", "recurrent_constraint": "max_norm", "activity_regularizer": "l1"}, ""),
    "other starts": ({"kernel_initializer": "ones", "recurrent_initializer": "zeros", "bias_initializer": "ones"}, ""),
    "stateful": ({"stateful": True}, ""),
    "float64": ({"dtype": "float64"}, ""),
    "backwards": ({"go_backwards": True}, "go_backwards is True: a stream knows no future; train forwards"),
    "mixed_float16": ({"dtype": "mixed_float16"}, "computes in mixed_float16"),
    **{name: ({"activation": name}, f"activation is {name!r}") for name in ("sigmoid", "linear", "elu", "gelu")},
}
_GATED = {
    name: ({"recurrent_activation": name}, f"recurrent_activation is {name!r}")
    for name in ("hard_sigmoid", "tanh", "relu", "linear")
} | {"rectified": ({"activation": "relu"}, "activation is 'relu'")}
_OWN = {
    "LSTM": {"no forget bias": ({"unit_forget_bias": False}, ""), **_GATED},
    "GRU": {
        "before": ({"reset_after": False}, ""),
        "after": ({"reset_after": True}, ""),
        "before, no bias": ({"reset_after": False, "use_bias": False}, ""),
        "after, no bias": ({"reset_after": True, "use_bias": False}, ""),
        **_GATED,
    },
    "SimpleRNN": {
        "relu": ({"activation": "relu"}, ""),
        "relu, no bias": ({"activation": "relu", "use_bias": False}, ""),
    },
}
ARGUMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    f"{kind}, {name}.keras": (kind, *asked) for kind in LAYERS for name, asked in (_SHARED | _OWN[kind]).items()
}
"""Name of a model of one layer → its class, the arguments, and how it is refused; empty if it is imported."""


ALIKE = (
    *(
        "softmax.keras",
        "softmax.h5",
        "sigmoid.keras",
        "timedistributed.keras",
        "timedistributed.h5",
        "normalised.keras",
    ),
    *("normalised.h5", "constants.keras", "stateful.keras", "headless.keras", "activation.keras", "fixed.keras"),
    *("dense_between.keras", "dense_between.h5", "dense_first.keras", "dense_behind.keras", "two_dense.keras"),
    *("batchnorm.keras", "batchnorm.h5", "batchnorm_behind.keras"),
    *("sigmoids.keras", "sigmoids.h5", "sigmoids_every.keras", "relu_head.keras", "tanh_head.keras"),
    *("embedding.keras", "embedding.h5", "embedding_graph.keras", "embedding_graph.h5"),
    "embedding_conv.keras",
    *("conv.keras", "conv.h5", "dilated.keras", "conv_of_one.keras", "conv_behind.keras", "conv_normalised.keras"),
    *("conv_batchnorm.keras", "conv_scaled_first.keras", "conv_scaled_between.keras"),
    *("wrapped_lstm.keras", "wrapped_gru.keras", "wrapped_gru.h5", "wrapped_rnn.keras"),
)
LATE = (
    "both_lstm.keras",
    "both_lstm.h5",
    "both_gru.keras",
    "both_gru_before.h5",
    "both_rnn.keras",
    "both_behind.keras",
)
"""Models whose last recurrent layer reads both ways."""

REFUSED = {
    "masking": "Masking",
    "bidirectional": "gives the end of what it reads from the end; make it return sequences",
    "bidirectional_gru": "give --look-ahead N, and it speaks of each step N steps late",
    "bidirectional_sum": "merge_mode is 'sum': the halves stand side by side here",
    "bidirectional_hard": "recurrent_activation is 'hard_sigmoid'",
    "bidirectional_other": "has a backward layer of another kind",
    "masked_gru": "Masking",
    "stacked_cells": "wraps StackedRNNCells",
    "state_too": "return_state is True",
    "half_stateful": "is not stateful while another layer is",
    "embedded": "(Embedding): mask_zero is True: leaves out steps by their values",
    "masked_tokens": "(Embedding): mask_zero is True: leaves out steps by their values",
    "many_tokens": "(Embedding): has 300 tokens, the limit is 256; leave it out of the saved model",
    "conv_valid": "padding is 'valid': leaves out the first steps of a sequence; set its padding to causal",
    "conv_same": "padding is 'same': reads steps that a stream does not know yet",
    "conv_strided": "strides is 2: gives fewer steps than it takes",
    "conv_grouped": "groups is 3",
    "conv_elu": "activation is 'elu'",
    "conv_shifted": "zeros before the first step; put the normalisation behind it",
    "conv_alone": "no recurrent layer",
    "pooled": "MaxPooling1D): gives fewer steps than it takes",
    "lambda": "Lambda",
    "backwards": "go_backwards",
    "hard": "hard_sigmoid",
    "relu": "relu",
    "softmax_between": "softmax between layers; only relu, tanh, sigmoid can be there",
    "two_softmaxes": "leave this out",
    "selu_between": "a dense layer here has softmax, sigmoid, relu, tanh or none",
    "sigmoids_of_states": "is 5 sigmoids of hidden states; put a dense layer before them",
    "branch": "branch or join",
    "nested": "model within the model",
    "custom": "class of your own",
    "mixed": "computes in mixed_float16",
    "relu_of_states": "is relu of hidden states at the end; put a dense layer before it",
}
"""Name of a model that cannot be imported → what the refusal says."""


def main(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers

    @keras.saving.register_keras_serializable("tests")
    class Doubling(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    def lstm(units: int = 5, every: bool = False, **options: Any) -> Any:
        return (
            layers.LSTM(units, return_sequences=every, bias_initializer="glorot_uniform", **options)
            if options.get("use_bias", True)
            else layers.LSTM(units, return_sequences=every, **options)
        )

    def dense(units: int = 2, activation: str | None = None, **options: Any) -> Any:
        return layers.Dense(units, activation, bias_initializer="glorot_uniform", **options)

    def batchnorm(**options: Any) -> Any:
        """With statistics of a training, not those that it starts from."""
        spread = keras.initializers.RandomUniform(0.3, 3.0)
        started = {"moving_mean_initializer": "random_normal", "moving_variance_initializer": spread}
        return layers.BatchNormalization(
            gamma_initializer=spread, beta_initializer="random_normal", **(started | options)
        )

    def conv(filters: int, size: int, **options: Any) -> Any:
        bias = {"bias_initializer": "glorot_uniform"} if options.get("use_bias", True) else {}
        return layers.Conv1D(filters, size, **({"padding": "causal"} | bias | options))

    def both(inner: Any, **options: Any) -> Any:
        return layers.Bidirectional(inner, **options)

    def row(*stack: Any, batch_shape: Any = (None, None, FEATURES)) -> Any:
        return keras.Sequential([keras.Input(batch_shape=batch_shape), *stack])

    def graph(*stack: Any) -> Any:
        x = entry = keras.Input((None, FEATURES))
        for layer in stack:
            x = layer(x)
        return keras.Model(entry, x)

    def write(model: Any, name: str, alike: bool = True) -> None:
        model.save(folder / name)
        if alike and len(model.input_shape) == 2:
            tokens = np.random.default_rng(2).integers(0, TOKENS, (BATCH, STEPS))
            np.savez(folder / f"{name}.npz", x=np.eye(TOKENS)[tokens], y=np.asarray(model(tokens, training=False)))
        elif alike:
            x = np.random.default_rng(2).normal(0, 1, (BATCH, STEPS, FEATURES)).astype(np.float32)
            np.savez(folder / f"{name}.npz", x=x, y=np.asarray(model(x, training=False)))

    def cell(kind: str, units: int, every: bool, bias: bool) -> Any:
        of, options = CELLS[kind]
        start = {"bias_initializer": "glorot_uniform"} if bias else {}
        return getattr(layers, of)(units, return_sequences=every, use_bias=bias, **options, **start)

    for name, asked in grid().items():
        stack: list[Any] = []
        for k, kind in enumerate(asked["cells"]):
            every = asked["every"] or k < len(asked["cells"]) - 1
            stack += [cell(kind, 6 - k, every, asked["bias"]), layers.Dropout(0.3)]
        stack.append(layers.Dense(2, use_bias=asked["bias"]))
        write((row if asked["row"] else graph)(*stack), name)
    for name, (of, options, refusal) in ARGUMENTS.items():
        shape = (BATCH, STEPS, FEATURES) if {"stateful", "unroll"} & set(options) else (None, None, FEATURES)
        write(row(getattr(layers, of)(5, **options), dense(), batch_shape=shape), name, alike=not refusal)

    learnt = layers.Normalization()
    learnt.adapt(np.random.default_rng(3).normal(4, 7, (50, 5, FEATURES)))
    for ending in (".keras", ".h5"):
        write(row(lstm(), dense(3, "softmax")), f"softmax{ending}")
        write(row(lstm(every=True), layers.TimeDistributed(dense(2))), f"timedistributed{ending}")
        write(row(learnt, lstm(), dense()), f"normalised{ending}")
    write(row(layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.5, 0.0]), lstm(), dense()), "constants.keras")
    for ending in (".keras", ".h5"):
        between = lstm(every=True), dense(6, "relu"), layers.Dropout(0.2), layers.GRU(4), dense()
        write(row(*between), f"dense_between{ending}")
    write(row(dense(6, "tanh"), layers.TimeDistributed(dense(5, "sigmoid")), lstm(every=True)), "dense_first.keras")
    write(
        graph(lstm(), dense(6), layers.Activation("relu"), dense(4, "tanh"), dense(3, "softmax")), "dense_behind.keras"
    )
    write(row(lstm(), dense(4), dense()), "two_dense.keras")
    for ending in (".keras", ".h5"):
        write(
            row(batchnorm(), lstm(every=True), batchnorm(scale=False), layers.GRU(4), batchnorm(), dense()),
            f"batchnorm{ending}",
        )
    behind = (
        dense(6),
        batchnorm(),
        layers.Activation("relu"),
        lstm(),
        dense(4, "tanh"),
        batchnorm(center=False),
        dense(),
    )
    write(row(*behind), "batchnorm_behind.keras")
    for ending in (".keras", ".h5"):
        write(row(conv(4, 3, activation="relu"), conv(5, 2), lstm(), dense()), f"conv{ending}")
    write(
        row(conv(4, 3, dilation_rate=2, activation="tanh", use_bias=False), lstm(every=True), dense()), "dilated.keras"
    )
    write(row(conv(6, 1, activation="relu", padding="same"), lstm(), dense()), "conv_of_one.keras")
    write(row(lstm(every=True), conv(4, 4, activation="sigmoid"), layers.GRU(3), dense()), "conv_behind.keras")
    write(row(learnt, conv(4, 3, activation="relu"), lstm(), dense()), "conv_normalised.keras")
    squashed = conv(4, 3), batchnorm(), layers.Activation("relu"), layers.Dropout(0.2), lstm(), dense()
    write(row(*squashed), "conv_batchnorm.keras")
    write(row(batchnorm(), conv(4, 3, activation="relu"), lstm(), dense()), "conv_scaled_first.keras")
    unshifted = batchnorm(center=False, moving_mean_initializer="zeros")
    write(row(lstm(every=True), unshifted, conv(4, 3), layers.GRU(3), dense()), "conv_scaled_between.keras")
    for ending in (".keras", ".h5"):
        write(row(both(lstm(every=True)), dense(3)), f"both_lstm{ending}")
    write(row(both(layers.GRU(4, return_sequences=True)), dense(3, "softmax")), "both_gru.keras")
    write(
        row(both(layers.GRU(4, return_sequences=True, reset_after=False)), dense(4, "tanh"), dense()),
        "both_gru_before.h5",
    )
    write(row(both(layers.SimpleRNN(4, return_sequences=True, use_bias=False)), dense()), "both_rnn.keras")
    behind = conv(4, 3, activation="relu"), lstm(every=True), batchnorm(), both(lstm(3, every=True)), dense()
    write(row(*behind), "both_behind.keras")
    write(row(both(lstm(every=True)), layers.GRU(4, return_sequences=True), dense()), "both_before.keras", alike=False)
    wrapped = layers.GRUCell(5, reset_after=False), layers.GRUCell(4)
    for ending, inner in zip((".keras", ".h5"), wrapped, strict=True):
        write(row(layers.RNN(inner), dense()), f"wrapped_gru{ending}")
    write(row(layers.RNN(layers.LSTMCell(5), return_sequences=True), dense()), "wrapped_lstm.keras")
    write(row(layers.RNN(layers.SimpleRNNCell(5)), dense()), "wrapped_rnn.keras")
    write(row(lstm(), dense(1, "sigmoid")), "sigmoid.keras")
    for ending in (".keras", ".h5"):
        write(row(lstm(), dense(3, "sigmoid")), f"sigmoids{ending}")
    write(row(layers.GRU(5, return_sequences=True), dense(3), layers.Activation("sigmoid")), "sigmoids_every.keras")
    write(row(lstm(), dense(4, "tanh"), dense(1, "relu")), "relu_head.keras")
    write(row(lstm(every=True), dense(4), batchnorm(), layers.Activation("tanh")), "tanh_head.keras")
    write(row(lstm(stateful=True), dense(), batch_shape=(BATCH, STEPS, FEATURES)), "stateful.keras")
    write(row(lstm()), "headless.keras")
    write(row(lstm(), dense(3), layers.Activation("softmax")), "activation.keras")
    write(row(lstm(), dense(), batch_shape=(None, STEPS, FEATURES)), "fixed.keras")
    write(row(lstm(32), dense(9, "softmax"), batch_shape=(None, None, 12)), "vowels.keras", alike=False)

    fork = entry = keras.Input((None, FEATURES))
    fork = lstm()(fork)
    state_too = layers.GRU(4, return_state=True)(entry)[0]
    tokens = keras.Input((None,))
    looked_up = layers.Embedding(TOKENS, 4)(tokens)
    for ending in (".keras", ".h5"):
        stack = layers.Embedding(TOKENS, 5), layers.SpatialDropout1D(0.2), lstm(), dense(3, "softmax")
        write(row(*stack, batch_shape=(None, STEPS)), f"embedding{ending}")
        stack = layers.Embedding(TOKENS, 5), layers.Conv1D(4, 3, padding="causal", activation="relu"), lstm(), dense()
        if ending == ".keras":
            write(row(*stack, batch_shape=(None, None)), "embedding_conv.keras")
        behind = batchnorm()(looked_up)
        write(keras.Model(tokens, dense()(layers.GRU(4, return_sequences=True)(behind))), f"embedding_graph{ending}")
    refused = {
        "masked_tokens": row(layers.Embedding(7, 4, mask_zero=True), lstm(), dense(), batch_shape=(None, None)),
        "many_tokens": row(layers.Embedding(300, 4), lstm(), dense(), batch_shape=(None, None)),
        "masking": row(layers.Masking(), lstm(), dense()),
        "bidirectional": row(layers.Bidirectional(lstm()), dense()),
        "bidirectional_gru": row(both(layers.GRU(4, return_sequences=True)), dense()),
        "bidirectional_sum": row(both(lstm(every=True), merge_mode="sum"), dense()),
        "bidirectional_hard": row(both(lstm(every=True, recurrent_activation="hard_sigmoid")), dense()),
        "bidirectional_other": row(
            both(lstm(every=True), backward_layer=layers.GRU(5, return_sequences=True, go_backwards=True)), dense()
        ),
        "masked_gru": row(layers.Masking(), layers.GRU(4), dense()),
        "stacked_cells": row(layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)]), dense()),
        "state_too": keras.Model(entry, dense()(state_too)),
        "half_stateful": row(
            layers.GRU(4, stateful=True, return_sequences=True), lstm(), dense(), batch_shape=(1, STEPS, FEATURES)
        ),
        "embedded": keras.Model(tokens, dense()(layers.GRU(4)(layers.Embedding(7, FEATURES, mask_zero=True)(tokens)))),
        "conv_valid": row(layers.Conv1D(4, 3), lstm(), dense()),
        "conv_same": row(layers.Conv1D(4, 3, padding="same"), lstm(), dense()),
        "conv_strided": row(conv(4, 3, strides=2), lstm(), dense()),
        "conv_grouped": row(conv(3, 3, groups=3), lstm(), dense()),
        "conv_elu": row(conv(4, 3, activation="elu"), lstm(), dense()),
        "conv_shifted": row(lstm(every=True), batchnorm(), conv(4, 3), layers.GRU(3), dense()),
        "conv_alone": row(conv(4, 3), dense()),
        "pooled": row(conv(4, 3), layers.MaxPooling1D(2), lstm(), dense()),
        "lambda": row(layers.Lambda(lambda x: x * 2), lstm(), dense()),
        "backwards": row(lstm(go_backwards=True), dense()),
        "hard": row(lstm(recurrent_activation="hard_sigmoid"), dense()),
        "relu": row(lstm(activation="relu"), dense()),
        "softmax_between": row(lstm(), dense(4, "softmax"), dense()),
        "two_softmaxes": row(lstm(), dense(4), layers.Softmax(), layers.Softmax()),
        "selu_between": row(lstm(), dense(4, "selu"), dense()),
        "sigmoids_of_states": row(lstm(), layers.Activation("sigmoid")),
        "branch": keras.Model(entry, layers.Add()([dense()(fork), dense()(fork)])),
        "nested": row(row(lstm(every=True), layers.Dropout(0.1)), lstm(), dense()),
        "custom": row(Doubling(), lstm(), dense()),
        "mixed": row(lstm(dtype="mixed_float16"), dense()),
        "relu_of_states": row(lstm(), layers.Activation("relu")),
    }
    if set(refused) != set(REFUSED):
        raise SystemExit("the table of refusals is not what is built")
    for name, model in refused.items():
        write(model, f"{name}.keras", alike=False)
    row(lstm(), dense()).save_weights(folder / "bare.weights.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
