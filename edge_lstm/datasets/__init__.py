"""Recordings and what is made of them for training."""

from edge_lstm.datasets.front_end import FrontEnd, FrontEndStream
from edge_lstm.datasets.read import read_dataset
from edge_lstm.datasets.recording import Dataset, Recording
from edge_lstm.datasets.scaling import constant_channels, fit_input_scaling, fit_target_scaling
from edge_lstm.datasets.sequences import Sequences, make_sequences, outputs_of, target_channels_of, task_of
from edge_lstm.datasets.spec import DataSpec, SplitSpec, TaskSpec
from edge_lstm.datasets.split import Splits, split, split_as

__all__ = [
    "DataSpec",
    "Dataset",
    "FrontEnd",
    "FrontEndStream",
    "Recording",
    "Sequences",
    "SplitSpec",
    "Splits",
    "TaskSpec",
    "constant_channels",
    "fit_input_scaling",
    "fit_target_scaling",
    "make_sequences",
    "outputs_of",
    "read_dataset",
    "split",
    "split_as",
    "target_channels_of",
    "task_of",
]
