"""The reference: float and integer models step by step, state explicit."""

from edge_lstm.reference.network import Network, State, Tap, network
from edge_lstm.reference.replay import replay, trace, traces

__all__ = ["Network", "State", "Tap", "network", "replay", "trace", "traces"]
