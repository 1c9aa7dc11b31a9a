"""Float models in 16 bits: weights and activations in fp16, float32 planes in and out."""

from __future__ import annotations

import copy
import warnings

import onnx


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` with fp16 inside; the casts stand at its borders.

    Runtimes without fp16 kernels (ONNX Runtime on x86) compute it in float32, from fp16 to fp16.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the float32 number .* will be truncated", UserWarning)  # below fp16's least: nothing
        half = ONNXModel(convert_float_to_float16(copy.deepcopy(model), keep_io_types=True, disable_shape_infer=True))
    half.topological_sort()
    made: onnx.ModelProto = half.model
    return made
