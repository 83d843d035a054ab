"""SavedModels of TensorFlow: a folder of ``saved_model.pb``, a graph, and ``variables/``, its weights.

Neither TensorFlow nor Keras is needed, and none of the graph is run: it is followed from the input to the output.
"""

from __future__ import annotations

from pathlib import Path

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array, Chain, Part
from edge_lstm.importers.limits import refuse_large
from edge_lstm.importers.tf_checkpoint import Checkpoint
from edge_lstm.importers.tf_graph import SavedGraph
from edge_lstm.importers.tf_values import Evaluation, Row, scaled_part

GRAPH = "saved_model.pb"


def read_saved_model(path: Path) -> Chain:
    """The chain of a SavedModel's folder.

    Raises:
        ModelError: if it is none, or its layers cannot be told from its graph.
    """
    graph_file = path / GRAPH
    if not graph_file.exists():
        raise ModelError(f"{path}: is a folder without {GRAPH}; give a SavedModel or the file of a trained network")
    refuse_large(graph_file)
    graph, checkpoint = SavedGraph(graph_file), Checkpoint(path / "variables")
    signature = graph.signature(graph_file)
    shape = signature.source_shape
    if len(shape) != 3:
        raise ModelError(f"{path}: its input has shape {shape}; expected (batch, steps, features)")

    paths = graph.variables(signature.output)

    def read(handle: str) -> Array:
        return _variable(checkpoint, handle, paths.get(handle, ""))

    try:
        row = Evaluation(graph, read).output(signature.source, signature.output)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{path}: its graph is not one that Keras writes ({error!r:.120}); give the .keras file"
        ) from error
    if not isinstance(row, Row):
        raise ModelError(f"{path}: its layers cannot be told from its graph; give the .keras file of the model")
    row = scaled_part(row)
    parts = list(row.parts)
    if tuple(a for a in row.axes if a != "time") != ("batch", "features") or len(row.axes) != len(
        signature.output_shape
    ):
        parts.append(Part("output", "output", obstacle=f"has axes {row.axes}; expected batch, steps and outputs"))
    batch, steps = shape[0], shape[1]
    return Chain("savedmodel", tuple(parts), steps, batch)


def does_more_than_compute(path: Path) -> str:
    """What TensorFlow would do with a SavedModel besides arithmetic, by the operator's name; empty if nothing."""
    graph = SavedGraph(path / GRAPH)
    if graph.loads:
        return "a table or a file"
    strange = graph.operators(graph.signature(path / GRAPH).output) - _COMPUTE
    return min(strange, default="")


_NAMES = """
Add AddV2 BatchMatMulV2 BiasAdd Cast ConcatV2 Const Einsum Equal ExpandDims Fill GatherV2 Greater GreaterEqual
Identity Less LessEqual LogicalAnd LogicalNot MatMul Max Maximum Min Minimum Mul NoOp Pack PartitionedCall
Placeholder PlaceholderWithDefault Prod Range Rank ReadVariableOp RealDiv Relu Reshape Rsqrt SIM905 Select SelectV2
Shape Sigmoid Size Softmax Split SplitV Sqrt Square Squeeze StatefulPartitionedCall StatelessWhile StopGradient
StridedSlice Sub Sum Tanh TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
Tile Transpose Unpack VarHandleOp While ZerosLike
"""
_COMPUTE = frozenset(_NAMES.split())
"""Operators that compute their outputs from their inputs, and touch nothing else."""


def _variable(checkpoint: Checkpoint, handle: str, path: str) -> Array:
    """The numbers of a variable, by the path of its object or else by its name."""
    keys = [checkpoint.key_at(path)] if path else checkpoint.keys_of(handle)
    if len(keys) != 1 or not keys[0]:
        raise ModelError(f"its variable {handle!r} is {len(keys)} times in the checkpoint; give the .keras file")
    return checkpoint.read(keys[0], f"variable {handle!r}")
