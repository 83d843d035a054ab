"""What a bundle holds for boards that run Linux: a shared library, a static program, and a shim in plain Python."""

from edge_lstm_export.linux.architectures import ARCHITECTURES, Architecture
from edge_lstm_export.linux.artefacts import LINUX_FILES, linux_files, own_library
from edge_lstm_export.linux.program import stream_program
from edge_lstm_export.linux.self_test import SelfTest, self_test

__all__ = [
    "ARCHITECTURES",
    "LINUX_FILES",
    "Architecture",
    "SelfTest",
    "linux_files",
    "own_library",
    "self_test",
    "stream_program",
]
