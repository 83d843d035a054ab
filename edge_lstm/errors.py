"""Everything the library raises, in one tree.

EdgeLstmError                 exit code 2 from the command line
├── DataError                 a recording or data set cannot be read or used as asked
├── ProjectError              edge-lstm.toml, a flag or an argument is wrong
├── ModelError                a model file or a model's shape is wrong
├── CalibrationError          the calibration data cannot support the ranges asked of it
├── QuantisationError         the integers cannot hold this model
├── ExportError               an artefact cannot be written as the format demands
├── BundleError               a bundle is incomplete, changed or of another schema
├── SignatureError            a bundle is unsigned, not the signer's, changed or a step back; or a key is not one
├── InputError                a sample pushed into a stream is not usable
├── TargetError               a board at the other end of a wire is silent, or holds another model
├── DeployError               a board that SSH reaches, or a folder, refuses a release or cannot be reached
├── LinkError                 a live stream's source or destination cannot be opened, or is gone
├── TrainingError             training cannot start, continue or resume
├── MissingDependencyError    an extra or a tool is not installed (exit code 3)
└── VerificationError         an artefact disagrees with the reference (exit code 1)

The library raises; only the command line prints. A message says what, where, the limit against what was
asked, and the next move.
"""

from __future__ import annotations


class EdgeLstmError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = 2


class DataError(EdgeLstmError):
    """A recording or a data set cannot be read or used as asked."""


class ProjectError(EdgeLstmError):
    """The project file, a flag or an argument is wrong."""


class ModelError(EdgeLstmError):
    """A model file or a model's shape is wrong."""


class CalibrationError(EdgeLstmError):
    """The calibration data cannot support the ranges asked of it."""


class QuantisationError(EdgeLstmError):
    """The integers of the chosen arithmetic cannot hold this model."""


class ExportError(EdgeLstmError):
    """An artefact cannot be written as its format demands."""


class BundleError(EdgeLstmError):
    """A bundle is incomplete, changed, or of another schema."""


class SignatureError(EdgeLstmError):
    """A bundle is not signed, signed by another, changed since, or older than one accepted before; or a key is none."""


class InputError(EdgeLstmError):
    """A sample pushed into a stream is not usable."""


class TargetError(EdgeLstmError):
    """A board at the other end of a wire cannot be reached, is silent, or holds another model."""


class DeployError(EdgeLstmError):
    """A release cannot be brought to its place: that cannot be reached, refuses it, or fails a check."""


class LinkError(EdgeLstmError):
    """A live stream's source or destination cannot be opened, or is gone."""


class TrainingError(EdgeLstmError):
    """Training cannot start, continue or resume."""


class MissingDependencyError(EdgeLstmError):
    """An extra or a tool that this command needs is not installed."""

    exit_code = 3


class VerificationError(EdgeLstmError):
    """An artefact disagrees with the reference."""

    exit_code = 1
