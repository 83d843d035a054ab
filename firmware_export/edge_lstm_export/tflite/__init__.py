"""TFLite files, written directly: no converter, no TensorFlow, and no rounding, for the integers arrive ready."""

from __future__ import annotations

from edge_lstm_export.tflite.floating import float_tflite
from edge_lstm_export.tflite.fused import fused_tflite
from edge_lstm_export.tflite.step import step_tflite

__all__ = ["float_tflite", "fused_tflite", "step_tflite"]
