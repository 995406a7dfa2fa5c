"""uint8 levels as LiteRT's quantised tensors."""

from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

_LEVEL = schema.TensorType.UINT8


def quantize_levels(contents: bytes) -> bytes:
    """A TFLite file whose uint8 tensors have scale 1 and zero point 0, and that converts them accordingly.

    TensorFlow's converter writes levels of 0 to 255 as plain integers, and their conversions as CAST, which runs on one
    thread, outside LiteRT's fast kernels, and cuts the data flow in pieces. As quantised tensors of scale 1 they mean
    the same, and DEQUANTIZE and QUANTIZE, which rounds and saturates, have fast kernels.

    Args:
        contents: of a file in which every uint8 tensor holds levels.

    Returns:
        The new contents: CAST to float32 is DEQUANTIZE, CAST to uint8 is QUANTIZE, and takes the input of a ROUND that
        stood before it.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(contents))
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.type == _LEVEL:
                tensor.quantization = schema.QuantizationParametersT(scale=[1.0], zeroPoint=[0])
        _convert_casts(model, graph)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _convert_casts(model: Any, graph: Any) -> None:
    kinds = [_kind(model, operator) for operator in graph.operators]
    rounded = {
        operator.outputs[0]: operator.inputs[0]
        for operator, kind in zip(graph.operators, kinds, strict=True)
        if kind == schema.BuiltinOperator.ROUND
    }
    for operator, kind in zip(graph.operators, kinds, strict=True):
        if kind != schema.BuiltinOperator.CAST:
            continue
        if graph.tensors[operator.inputs[0]].type == _LEVEL:
            _replace(model, operator, schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOptions.DequantizeOptions)
        elif graph.tensors[operator.outputs[0]].type == _LEVEL:
            _replace(model, operator, schema.BuiltinOperator.QUANTIZE, schema.BuiltinOptions.QuantizeOptions)
            operator.inputs = [rounded.get(operator.inputs[0], operator.inputs[0])]
    used = {tensor for operator in graph.operators for tensor in operator.inputs} | set(graph.outputs)
    graph.operators = [operator for operator in graph.operators if used.intersection(operator.outputs)]


def _kind(model: Any, operator: Any) -> int:
    return flatbuffer_utils.get_builtin_code_from_operator_code(model.operatorCodes[operator.opcodeIndex])


def _replace(model: Any, operator: Any, kind: int, options: int) -> None:
    """Makes `operator` one of another kind, whose options have no fields."""
    operator.opcodeIndex = _code_index(model, kind)
    operator.builtinOptionsType = options
    operator.builtinOptions = None


def _code_index(model: Any, kind: int) -> int:
    """Where the model's table of kinds has `kind`, which is added if it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if flatbuffer_utils.get_builtin_code_from_operator_code(code) == kind:
            return index
    model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=kind, builtinCode=kind))
    return len(model.operatorCodes) - 1
