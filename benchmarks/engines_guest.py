"""Runs in an environment of its own (onnxruntime, ai-edge-litert, numpy): one chain of convolutions in both engines, taking turns.

engines_guest.py ORDER.json     {"chain": FILE.npz, "onnx": {name: file}, "height", "width", "threads", "rounds", "runs"}

Prints one JSON object {"engines": {name: [milliseconds…]}, "outputs": {name: largest difference to ONNX Runtime's float}, "versions"}.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnxruntime as ort
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter


class Writer:
    """A .tflite file in the making: one graph of tensors and operators, channels last."""

    def __init__(self) -> None:
        self.model, self.graph = s.ModelT(), s.SubGraphT()
        self.model.version, self.model.subgraphs, self.model.buffers, self.model.operatorCodes = 3, [self.graph], [s.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape: Any, kind: int, values: Any = None, scale: Any = None, zero: Any = None) -> int:
        """The number of a new tensor, constant if it has values, quantized if it has scales."""
        made = s.TensorT()
        made.shape, made.type, made.buffer, made.name = list(shape), kind, 0, f"t{len(self.graph.tensors)}".encode()
        if values is not None:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        if scale is not None:
            made.quantization = s.QuantizationParametersT()
            made.quantization.scale = np.atleast_1d(scale).astype(np.float32)
            made.quantization.zeroPoint = np.broadcast_to(np.atleast_1d(zero), made.quantization.scale.shape).astype(np.int64)
            made.quantization.quantizedDimension = 0
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, options: Any = None, kind: int = 0, at: int = 1) -> int:
        """Append an operator; gives its output back."""
        made, name = s.OperatorT(), s.OperatorCodeT()
        name.builtinCode, name.deprecatedBuiltinCode, name.version = code, min(code, 127), at
        self.model.operatorCodes.append(name)
        made.opcodeIndex, made.inputs, made.outputs = len(self.model.operatorCodes) - 1, inputs, [output]
        made.builtinOptions, made.builtinOptionsType = options, kind
        self.graph.operators.append(made)
        return output

    def bytes(self, first: int, last: int) -> bytes:
        """The file, from tensor `first` to tensor `last`."""
        self.graph.inputs, self.graph.outputs = [first], [last]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def tflite(chain: dict[str, Any], height: int, width: int, int8: bool) -> bytes:
    """The chain for inputs of one size: in floats, or in 8 bits up to the addition of the input, with the scales of the ONNX file."""
    w, floats, eights, words = Writer(), s.TensorType.FLOAT32, s.TensorType.INT8, s.TensorType.INT32
    first = w.tensor((1, height, width, 1), floats)
    at, count = first, int(chain["count"])
    if int8:
        at = w.operator(s.BuiltinOperator.QUANTIZE, [at], w.tensor((1, height, width, 1), eights, None, *chain["input"]), None, 0)
    for place in range(count):
        weight, bias = chain[f"weight{place}"].transpose(0, 2, 3, 1), chain[f"bias{place}"]
        shape = (1, height, width, len(bias))
        options = s.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = s.Padding.SAME, 1, 1
        if int8:
            scale, before = chain[f"scale{place}"], w.graph.tensors[at].quantization.scale[0]
            stored = np.clip(np.rint(weight / scale[:, None, None, None]), -127, 127).astype(np.int8)
            kernel = w.tensor(weight.shape, eights, stored, scale, 0)
            offset = w.tensor(bias.shape, words, np.rint(bias / (scale * before)).astype(np.int32), scale * before, 0)
            output = w.tensor(shape, eights, None, *chain[f"conv{place}"])
        else:
            kernel, offset = w.tensor(weight.shape, floats, weight), w.tensor(bias.shape, floats, bias)
            output = w.tensor(shape, floats)
        at = w.operator(s.BuiltinOperator.CONV_2D, [at, kernel, offset], output, options, s.BuiltinOptions.Conv2DOptions, 3)
        if place + 1 < count:
            leaky = s.LeakyReluOptionsT()
            leaky.alpha = float(chain["slope"])
            output = w.tensor(shape, eights, None, *chain[f"leaky{place}"]) if int8 else w.tensor(shape, floats)
            at = w.operator(s.BuiltinOperator.LEAKY_RELU, [at], output, leaky, s.BuiltinOptions.LeakyReluOptions, 2)
    if int8:
        at = w.operator(s.BuiltinOperator.DEQUANTIZE, [at], w.tensor((1, height, width, 4), floats), None, 0, 2)
    at = w.operator(
        s.BuiltinOperator.ADD, [at, first], w.tensor((1, height, width, 4), floats), s.AddOptionsT(), s.BuiltinOptions.AddOptions, 1
    )
    shuffle = s.DepthToSpaceOptionsT()
    shuffle.blockSize = 2
    output = w.tensor((1, 2 * height, 2 * width, 1), floats)
    at = w.operator(s.BuiltinOperator.DEPTH_TO_SPACE, [at], output, shuffle, s.BuiltinOptions.DepthToSpaceOptions, 1)
    return w.bytes(first, at)


def in_onnxruntime(path: str, planes: Any, threads: int) -> Any:
    """A function that runs the file once and gives its output (H, W); as `bench` opens it on target `local`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: planes}
    return lambda: session.run(None, feed)[0][0, 0]


def in_litert(content: bytes, planes: Any, threads: int) -> Any:
    """The same of a .tflite file with LiteRT's defaults, which are XNNPACK's kernels."""
    model = Interpreter(model_content=content, num_threads=threads)
    model.allocate_tensors()
    first, last = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
    model.set_tensor(first, planes.transpose(0, 2, 3, 1))

    def run() -> Any:
        model.invoke()
        return model.tensor(last)()[0, :, :, 0]

    return run


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    chain, height, width, threads = dict(np.load(order["chain"])), order["height"], order["width"], order["threads"]
    planes = chain["planes"]
    engines = {f"ONNX Runtime {name}": in_onnxruntime(path, planes, threads) for name, path in order["onnx"].items()}
    for name in ("float", "int8"):
        engines[f"LiteRT {name}"] = in_litert(tflite(chain, height, width, name == "int8"), planes, threads)
    wanted = engines["ONNX Runtime float"]()
    outputs = {name: float(np.abs(run() - wanted).max()) for name, run in engines.items()}
    # One thread is the caller's, whose processor time other programs do not lengthen; of more the wall clock alone tells.
    clock = time.thread_time_ns if threads == 1 else time.perf_counter_ns
    found: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(order["rounds"]):
        for name in list(engines)[:: -1 if turn % 2 else 1]:
            engines[name]()  # fills the caches that the engine before has emptied
            for _ in range(order["runs"]):
                start = clock()
                engines[name]()
                found[name].append((clock() - start) / 1e6)
    versions = {name: version(name) for name in ("onnxruntime", "ai-edge-litert", "numpy")}
    print(json.dumps({"engines": found, "outputs": outputs, "versions": versions}))


if __name__ == "__main__":
    main()
