"""A TFLite graph under construction, and its bytes.

The generated flatbuffer schema comes with LiteRT's wheel; importing it loads no runtime. Only what the schema leaves
open is decided here: names, buffer alignment, operator versions, one signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_lstm.integer import Quant
from edge_lstm.tflite_schema import schema

ABSENT = -1
"""Index of an optional tensor that is not given."""

SIGNATURE = "serving_default"
_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# Operator codes above 127 do not fit the schema's first, one-byte field.
_LARGEST_ONE_BYTE_CODE = 127
# The schema asks for constants at multiples of 16; the generated packer ignores it. A Cortex-M0+ that reads an int32
# bias out of an unaligned flatbuffer stops with a hard fault.
_ALIGNMENT = 16


class AlignedBuffer:
    """A constant's bytes, packed at a multiple of 16. Stands in for the schema's ``BufferT``."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data or None

    def Pack(self, builder: Any) -> Any:  # noqa: N802  (the name the generated packer calls)
        s = schema()
        vector = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        s.BufferStart(builder)
        if vector is not None:
            s.BufferAddData(builder, vector)
        return s.BufferEnd(builder)


class Graph:
    """Tensors and operators in order of execution; tensors are known by index.

    Args:
        description: what the file says about itself.
    """

    def __init__(self, description: str) -> None:
        s = schema()
        self.model = s.ModelT()
        self.model.version = _SCHEMA_VERSION
        self.model.description = description
        self.model.operatorCodes = []
        self.model.buffers = [AlignedBuffer()]  # buffer 0 is empty by convention: "no data"
        self.main = s.SubGraphT()
        self.main.name = "main"
        self.main.tensors, self.main.operators = [], []
        self.model.subgraphs = [self.main]

    def tensor(
        self,
        name: str,
        dtype: Any,
        shape: Sequence[int],
        quant: Quant | Sequence[float] | None = None,
        data: Any = None,
        variable: bool = False,
    ) -> int:
        """Add a tensor and return its index.

        Args:
            dtype: NumPy type; ``data`` must hold its values exactly.
            quant: of the whole tensor; or scales, one a slice of axis 0, with zero points 0.
            data: constant values; None for what the graph computes or is given.
            variable: keeps its value from one call to the next.
        """
        tensor = schema().TensorT()
        tensor.name, tensor.type, tensor.shape = name, _tensor_type(dtype), [int(n) for n in shape]
        tensor.isVariable, tensor.hasRank = variable, True
        tensor.quantization = None if quant is None else _quantisation(quant)
        tensor.buffer = 0
        if data is not None:
            values = np.asarray(data)
            stored = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
            self.model.buffers.append(AlignedBuffer(stored.tobytes()))
            tensor.buffer = len(self.model.buffers) - 1
        self.main.tensors.append(tensor)
        return len(self.main.tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        version: int = 1,
        options: Any = None,
        intermediates: Sequence[int] = (),
    ) -> None:
        """Add an operator.

        Args:
            kind: builtin operator's name, such as ``FULLY_CONNECTED``.
            options: the schema's options object of this kind, or None.
        """
        s = schema()
        operator = s.OperatorT()
        operator.opcodeIndex = self._code(getattr(s.BuiltinOperator, kind), version)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(s.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operator.intermediates = list(intermediates) or None
        self.main.operators.append(operator)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Name what goes in and what comes out, as the graph and as its one signature."""
        s = schema()
        self.main.inputs, self.main.outputs = list(inputs), list(outputs)
        signature = s.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs = [self._tensor_map(index) for index in inputs]
        signature.outputs = [self._tensor_map(index) for index in outputs]
        self.model.signatureDefs = [signature]

    def serialise(self) -> bytes:
        """The file. Equal graphs give equal bytes."""
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), _FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _code(self, builtin: int, version: int) -> int:
        codes = self.model.operatorCodes
        for index, code in enumerate(codes):
            if (code.builtinCode, code.version) == (builtin, version):
                return index
        code = schema().OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        code.deprecatedBuiltinCode = min(builtin, _LARGEST_ONE_BYTE_CODE)
        codes.append(code)
        return len(codes) - 1

    def _tensor_map(self, index: int) -> Any:
        entry = schema().TensorMapT()
        entry.name, entry.tensorIndex = self.main.tensors[index].name, index
        return entry


def _tensor_type(dtype: Any) -> int:
    return int(getattr(schema().TensorType, np.dtype(dtype).name.upper()))


def _quantisation(quant: Quant | Sequence[float]) -> Any:
    parameters = schema().QuantizationParametersT()
    scales, zeros = ([quant.scale], [quant.zero]) if isinstance(quant, Quant) else (list(quant), [0] * len(quant))
    parameters.scale, parameters.zeroPoint = [float(s) for s in scales], [int(z) for z in zeros]
    parameters.quantizedDimension = 0
    return parameters
