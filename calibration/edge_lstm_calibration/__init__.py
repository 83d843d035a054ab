"""Ranges from recordings, and the integers they lead to."""

from edge_lstm_calibration.calibrate import Calibration, calibrate
from edge_lstm_calibration.drift import drift_table
from edge_lstm_calibration.observers import OBSERVERS
from edge_lstm_calibration.quantise_native import quantise_native
from edge_lstm_calibration.quantise_tflite import quantise_tflite
from edge_lstm_calibration.report import error_report

__all__ = ["OBSERVERS", "Calibration", "calibrate", "drift_table", "error_report", "quantise_native", "quantise_tflite"]
