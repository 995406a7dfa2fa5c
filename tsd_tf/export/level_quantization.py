"""uint8 levels as LiteRT's quantised tensors."""

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

_LEVEL, _SCALE, _ZERO_POINT = schema.TensorType.UINT8, 1.0, 0


def quantize_levels(contents):
    """A TFLite file whose uint8 tensors have scale 1 and zero point 0, and that converts them accordingly.

    TensorFlow's converter writes levels of 0 to 255 as plain integers, and their conversions as CAST, which runs on one
    thread, outside LiteRT's fast kernels, and cuts the data flow in pieces. As quantised tensors of scale 1 they mean
    the same, and DEQUANTIZE and QUANTIZE, which rounds and saturates, have fast kernels.

    Args:
        contents: bytes of a file in which every uint8 tensor holds levels.

    Returns:
        bytes: CAST to float32 is DEQUANTIZE, CAST to uint8 is QUANTIZE, of ROUND's input where that stood before it.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(contents))
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.type == _LEVEL:
                tensor.quantization = schema.QuantizationParametersT(scale=[_SCALE], zeroPoint=[_ZERO_POINT])
        _convert_casts(model, graph)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _convert_casts(model, graph):
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


def _kind(model, operator):
    return flatbuffer_utils.get_builtin_code_from_operator_code(model.operatorCodes[operator.opcodeIndex])


def _replace(model, operator, kind, options):
    """Makes `operator` one of another kind, whose options have no fields."""
    operator.opcodeIndex = _code_index(model, kind)
    operator.builtinOptionsType = options
    operator.builtinOptions = None


def _code_index(model, kind):
    """Where the model's table of kinds has `kind`; added, if it is not there."""
    for index, code in enumerate(model.operatorCodes):
        if flatbuffer_utils.get_builtin_code_from_operator_code(code) == kind:
            return index
    model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=kind, builtinCode=kind))
    return len(model.operatorCodes) - 1
