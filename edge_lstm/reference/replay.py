"""Many recordings through a network at once, each exactly as a device would see it: in order, with carried state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge_lstm.reference.network import Array, Network, State, Tap


def replay(net: Network, series: Sequence[Array], window: int | None = None, tap: Tap | None = None) -> list[Array]:
    """Run every recording from zero state to its end.

    Args:
        series: recordings (T_k, F), of any lengths: scaled floats for a float network, codes for an integer one.
        window: zero the state at the start of every ``window`` steps; None carries it to the end.
        tap: sees every tensor of every step, with the recordings still running stacked along the first axis.

    Returns:
        The outputs (T_k, O) of every recording, in the order given.
    """
    order = sorted(range(len(series)), key=lambda k: -len(series[k]))
    outputs: list[list[Array]] = [[] for _ in series]
    for y in _steps([np.asarray(series[k]) for k in order], net, window, tap):
        for row, k in zip(y, order, strict=False):
            outputs[k].append(row)
    return [np.array(rows) for rows in outputs]


def _steps(series: list[Array], net: Network, window: int | None, tap: Tap | None) -> Iterator[Array]:
    """Outputs of each step for the recordings still running; ``series`` runs from longest to shortest."""
    lengths = np.array([len(s) for s in series])
    state = net.zero_state(len(series))
    for t in range(int(lengths.max(initial=0))):
        running = int((lengths > t).sum())
        if window is not None and t % window == 0:
            state = net.zero_state(running)
        state = _first(state, running)
        x = np.stack([s[t] for s in series[:running]])
        state, y = net.step(state, x, tap)
        yield y


def _first(state: State, count: int) -> State:
    if len(state[0][0]) == count:
        return state
    return tuple((h[:count], c[:count]) for h, c in state)


def trace(net: Network, series: Array, window: int | None = None) -> dict[tuple[int, str], Array]:
    """Every tensor of one recording (T, F), by (layer, name), steps along the first axis."""
    return traces(net, [series], window)[0]


def traces(net: Network, series: Sequence[Array], window: int | None = None) -> list[dict[tuple[int, str], Array]]:
    """Every tensor of every recording, as ``trace`` gives them one by one."""
    order = sorted(range(len(series)), key=lambda k: -len(series[k]))
    kept: list[dict[tuple[int, str], list[Array]]] = [{} for _ in series]

    def tap(layer: int, name: str, value: Array) -> None:
        for row, k in zip(value, order, strict=False):
            kept[k].setdefault((layer, name), []).append(row)

    replay(net, series, window, tap)
    return [{key: np.array(rows) for key, rows in each.items()} for each in kept]
