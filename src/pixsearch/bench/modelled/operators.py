"""A model as the operators that ONNX Runtime executes on an Arm core, each with its shapes: what is looked up in the table of costs.

ONNX Runtime fuses and reorders a graph before it runs it, otherwise on x86 than on Arm: there without the blocked layout, and with
signed 8-bit activations. Told to leave out the one and to allow the other it gives Arm's graph here, for float and 8 bits (a test
compares it with the graph that the emulated library makes). In fp16 it does not: Arm has kernels that x86 lacks.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from pixsearch.errors import PixsearchError
from pixsearch.infer.session import PROVIDERS, open_session, session_options

AXES = ("height", "width")
STATE_AXES = ("state_height", "state_width")
_ALLOW_SIGNED = "session.qdqisint8allowed"
_BLOCKED_LAYOUT = "NchwcTransformer"
_SPELLED = 16  # integers that are part of an operator's meaning, such as paddings and indices, up to so many
_TYPES = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(uint8)": TensorProto.UINT8,
    "tensor(int8)": TensorProto.INT8,
    "tensor(uint16)": TensorProto.UINT16,
    "tensor(int32)": TensorProto.INT32,
}
"""The activations that the runner can be given."""

Shape = tuple[int, ...]


class UnpricedError(PixsearchError):
    """A model whose latency cannot be summed up from its operators; the message says why."""

    exit_code = 6


@dataclass(frozen=True)
class Tensor:
    """An activation of the graph: its type in ONNX's words and its shape at one frame."""

    type: str
    shape: Shape

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type in numpy's words."""
        kind: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(self.element)
        return kind

    @property
    def element(self) -> int:
        """Its type as ONNX numbers them; `UnpricedError` for one that the runner cannot be given."""
        if self.type not in _TYPES:
            raise UnpricedError(f"An operator takes `{self.type}`, which the runner cannot be given.")
        return int(_TYPES[self.type])


class Operator:
    """One node of an optimized graph with its constants, and its activations at one frame."""

    def __init__(
        self, node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto], tensors: Mapping[str, Tensor], opsets: Sequence[Any]
    ) -> None:
        self._node, self._opsets = node, opsets
        self._constants = {name: constants[name] for name in node.input if name in constants}
        self.inputs = {name: tensors[name] for name in dict.fromkeys(node.input) if name and name not in constants}
        self.outputs = [tensors[name] for name in node.output if name]

    @cached_property
    def key(self) -> str:
        """All that decides on its cost: operator, attributes, types and shapes, and small integer constants; not its weights."""
        attributes = {item.name: _plain(helper.get_attribute_value(item)) for item in self._node.attribute}
        words = {"op": f"{self._node.domain}:{self._node.op_type}", **dict(sorted(attributes.items()))}
        return json.dumps([words, [self._input_words(name) for name in self._node.input]], separators=(",", ":"))

    def _input_words(self, name: str) -> Any:
        if name in self._constants:
            constant = self._constants[name]
            words: list[Any] = ["constant", constant.data_type, *constant.dims]
            if constant.data_type == TensorProto.INT64 and math.prod(constant.dims) <= _SPELLED:
                words.append(numpy_helper.to_array(constant).tolist())
            return words
        return [self.inputs[name].type, *self.inputs[name].shape] if name else None

    @property
    def kind(self) -> str:
        """Its name, for people."""
        return str(self._node.op_type)

    def alone(self) -> onnx.ModelProto:
        """A model of this operator and nothing else, for any frame; `UnpricedError` where the runner cannot be given its inputs."""
        ports = [helper.make_tensor_value_info(name, tensor.element, None) for name, tensor in self.inputs.items()]
        results = [onnx.ValueInfoProto(name=name) for name in self._node.output if name]
        graph = helper.make_graph([self._node], "operator", ports, results, list(self._constants.values()))
        return helper.make_model(graph, opset_imports=self._opsets, ir_version=10)

    def noise(self) -> dict[str, npt.NDArray[Any]]:
        """Inputs for `alone` at this frame; costs do not depend on values."""
        rng = np.random.default_rng(0)
        return {name: _noise(rng, tensor.shape, tensor.dtype) for name, tensor in self.inputs.items()}


def _noise(rng: np.random.Generator, shape: Shape, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    if kind.kind == "f":
        return rng.uniform(-1, 1, shape).astype(kind)
    return rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, shape).astype(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return round(value, 6)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


class ArmGraph:
    """The graph that ONNX Runtime makes of `model` on Arm, in float or 8 bits; `UnpricedError` where it cannot be known here.

    A state that it takes has the input's sides divided by `multiple`.
    """

    def __init__(self, model: onnx.ModelProto, multiple: int = 1) -> None:
        axes = {axis.dim_param for port in model.graph.input for axis in port.type.tensor_type.shape.dim if axis.dim_param}
        if axes - {*STATE_AXES} != {*AXES}:
            raise UnpricedError("The model takes one shape alone, so no cost follows from that of lower frames.")
        self._model, self._multiple = _optimized(model), multiple
        self._constants = {tensor.name: tensor for tensor in self._model.graph.initializer}
        if any(attribute.type == onnx.AttributeProto.GRAPH for node in self._model.graph.node for attribute in node.attribute):
            raise UnpricedError("The model holds a loop or a condition, whose cost depends on values.")

    def operators(self, height: int, width: int) -> list[Operator]:
        """Its nodes, with their activations for an input of `height`×`width`."""
        tensors = self._tensors(height, width)
        return [Operator(node, self._constants, tensors, self._model.opset_import) for node in self._model.graph.node]

    def _tensors(self, height: int, width: int) -> dict[str, Tensor]:
        """Every activation: ONNX Runtime infers the shapes of its own operators too."""
        shown = onnx.ModelProto()
        shown.CopyFrom(self._model)
        known = {port.name for port in shown.graph.output}
        names = [name for node in shown.graph.node for name in node.output if name and name not in known]
        shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        options = session_options(optimization="none")
        sides = (height, width, height // self._multiple, width // self._multiple)
        for axis, side in zip((*AXES, *STATE_AXES), sides, strict=True):
            options.add_free_dimension_override_by_name(axis, side)
        session = open_session(shown.SerializeToString(), options)
        found = {}
        for port in (*session.get_inputs(), *session.get_outputs()):
            if not all(isinstance(side, int) for side in port.shape):
                raise UnpricedError(f"The shape of `{port.name}` does not follow from the frame: {port.shape}.")
            found[port.name] = Tensor(port.type, tuple(port.shape))
        return found


def _optimized(model: onnx.ModelProto) -> onnx.ModelProto:
    options = session_options()
    options.add_session_config_entry(_ALLOW_SIGNED, "1")
    with tempfile.TemporaryDirectory(prefix="pixsearch-graph-") as folder:
        options.optimized_model_filepath = str(Path(folder) / "arm.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=list(PROVIDERS), disabled_optimizers=[_BLOCKED_LAYOUT])
        return onnx.load(options.optimized_model_filepath)
