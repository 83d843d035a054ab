"""Where live samples come from: one module a kind of source, all behind ``Source``."""

from edge_lstm.streaming.sources.base import Source
from edge_lstm.streaming.sources.schemes import SCHEMES, open_source

__all__ = ["SCHEMES", "Source", "open_source"]
