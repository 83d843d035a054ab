"""Training in Keras. TensorFlow is imported when training starts, not before."""

from edge_lstm.training.fit import OnEpoch, TrainingResult, train
from edge_lstm.training.spec import TrainingSpec

__all__ = ["OnEpoch", "TrainingResult", "TrainingSpec", "train"]
