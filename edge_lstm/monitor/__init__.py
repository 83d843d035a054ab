"""What a device can tell of itself while it runs: latencies, deadlines, saturation, and drift of its inputs."""

from edge_lstm.monitor.monitor import Monitor, Report
from edge_lstm.monitor.reporter import Reporter, watched

__all__ = ["Monitor", "Report", "Reporter", "watched"]
