"""One sample in, one prediction out."""

from edge_lstm.streaming.prediction import Prediction
from edge_lstm.streaming.stream import LoadedModel, Stream

__all__ = ["LoadedModel", "Prediction", "Stream"]
