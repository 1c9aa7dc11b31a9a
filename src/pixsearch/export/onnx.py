"""Write a network as one clean ONNX file: dynamic height and width, its card in the metadata, the file whole or absent."""

from __future__ import annotations

import copy
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from pixsearch import __version__
from pixsearch.card import KEY, STATISTICS, ModelCard
from pixsearch.errors import DataError
from pixsearch.rundir import write_atomic
from pixsearch.signature import NEXT, Signature

OPSET = 18
"""What phone runtimes of the last years read, and the lowest that PyTorch's exporter writes without converting."""

_ACTIVATIONS = ("Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Tanh")
_PIXELWISE = ("Add", "Constant", "Identity", "Mul", "Sub")
_LOCAL = ("AveragePool", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Gather", "Pad", "SpaceToDepth", "Split")
SIZE_FREE = frozenset((*_ACTIVATIONS, *_PIXELWISE, *_LOCAL))
"""Operators that mean the same at every height and width, their channels and constants being fixed."""

_EXAMPLE = (12, 20)


def export_float(network: nn.Module, card: ModelCard, path: Path) -> Path:
    """Write the deploy form `network` to `path`, float32, opset `OPSET`, batch 1, height and width dynamic.

    Inputs carry the names of `card.signature.inputs`, then `state`, the output that of `card.signature.output`; behind it stand the
    next states, `next_NAME`. The card stands under
    `card.KEY` in the metadata.
    """
    training = network.training
    network.eval()
    try:
        proto = _trace(network, card)
    finally:
        network.train(training)
    write_model(_cleaned(proto, card), card, path)
    return path


def read_model(path: Path) -> onnx.ModelProto:
    """The graph in the file at `path`; `DataError` when it is none."""
    try:
        model = onnx.load_model(path, load_external_data=False)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise DataError(f"There is no file `{path}`. Give a model that `pixsearch export` has written.") from None
    except Exception as error:  # protobuf's and the checker's errors share no base class but this one
        raise DataError(f"`{path}` is not a valid ONNX model ({error}). Export it again.") from error
    return model


def write_model(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Check `model` and write it with `card`, atomically."""
    model.producer_name, model.producer_version = "pixsearch", __version__
    onnx.helper.set_model_props(model, {KEY: card.dumps()})
    onnx.checker.check_model(model)
    write_atomic(path, model.SerializeToString(deterministic=True))


def _trace(network: nn.Module, card: ModelCard) -> onnx.ModelProto:
    """The graph for any height and width.

    Tracing with symbols for the sides takes three times as long as tracing one size, so that is done only where an
    operator of the graph could depend on the size.
    """
    model = _export(network, card, dynamic=False)
    return model if is_size_free(model) else _export(network, card, dynamic=True)


def is_size_free(model: onnx.ModelProto) -> bool:
    """Whether the graph, traced at one size, is the graph of every size: each operator works pixel by pixel, block or kernel."""
    large = any(max(tensor.dims[2:], default=1) >= min(_EXAMPLE) for tensor in model.graph.initializer)
    return not large and all(node.op_type in SIZE_FREE for node in model.graph.node)


def _export(network: nn.Module, card: ModelCard, dynamic: bool) -> onnx.ModelProto:
    signature, multiple = card.signature, card.multiple
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    height, width = (side * multiple for side in _EXAMPLE)
    sides = {port.name: 1 for port in signature.inputs} | {port.name: multiple for port in signature.state}
    taken = (*signature.inputs, *signature.state)
    examples = tuple(torch.zeros(1, port.channels, height // sides[port.name], width // sides[port.name], device=device) for port in taken)
    with _alone, _quiet(), _kept_operator_table():
        program = torch.onnx.export(
            network,
            examples,
            dynamo=True,
            input_names=[port.name for port in taken],
            output_names=[signature.output.name, *(f"{NEXT}{port.name}" for port in signature.state)],
            dynamic_shapes=(_symbols([multiple // sides[port.name] for port in taken]),) if dynamic else None,
            opset_version=OPSET,
            custom_translation_table={torch.ops.aten.pixel_unshuffle.default: _space_to_depth},
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("PyTorch's exporter returned no program.")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _symbols(multiples: list[int]) -> tuple[dict[int, Any], ...]:
    """One symbol a side, shared by all inputs, each as many times as its input is larger than what the layers see."""
    sides = [torch.export.Dim(name) for name in ("height", "width")]
    return tuple({axis: times * side if times > 1 else side for axis, side in zip((2, 3), sides, strict=True)} for times in multiples)


def _space_to_depth(image: Any, downscale_factor: int) -> Any:
    """`pixel_unshuffle` as one operator; the exporter's own way is sixteen, most of them on shapes.

    ONNX puts the sub-pixel before the channel, PyTorch behind it: several channels are put in PyTorch's order.
    """
    from onnxscript import opset18 as op

    blocks = op.SpaceToDepth(image, blocksize=downscale_factor)
    channels, subpixels = int(image.shape[1]), downscale_factor**2
    if channels == 1:
        return blocks
    order = [subpixel * channels + channel for channel in range(channels) for subpixel in range(subpixels)]
    return op.Gather(blocks, op.Constant(value_ints=order), axis=1)


def _cleaned(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Without the exporter's notes (stack traces with paths of this machine, inferred shapes), and with plain names of axes."""
    graph = model.graph
    if card.sees_whole:
        _name_statistics(graph)
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:], model.functions[:]
    graph.name, graph.doc_string, model.doc_string = card.name, "", ""
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    for port in (*graph.input, *graph.output):
        _name_axes(port, *_axes_of(port.name, card.signature))
    return model


def _axes_of(name: str, signature: Signature) -> tuple[str, str]:
    """What the height and width of a port are called."""
    if name.removeprefix(NEXT) in {port.name for port in signature.state}:
        return "state_height", "state_width"
    return ("output_height", "output_width") if name == signature.output.name else ("height", "width")


def _name_statistics(graph: onnx.GraphProto) -> None:
    """Call the means that coefficients are predicted from `STATISTICS`: there the graph can be cut."""
    found = [node for node in graph.node if node.op_type == "ReduceMean"]
    if len(found) != 1:
        raise RuntimeError(f"A dynamic network has one mean over the picture, and its graph {len(found)}.")
    old = found[0].output[0]
    for node in graph.node:
        node.input[:] = [STATISTICS if name == old else name for name in node.input]
    found[0].output[0] = STATISTICS


def _name_axes(port: onnx.ValueInfoProto, height: str, width: str) -> None:
    axes = port.type.tensor_type.shape.dim
    axes[2].dim_param, axes[3].dim_param = height, width


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says at every export: that torchvision is absent, and a deprecation within PyTorch."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(level)


_tables: dict[str, Any] = {}
_alone = threading.Lock()  # what is put in place for an export is the process's


@contextmanager
def _kept_operator_table() -> Iterator[None]:
    """Keep the exporter's table of operators from one export to the next.

    PyTorch reads its 500 translations anew each time, which is half of a warm export. Where a version of it is built
    otherwise, nothing is kept.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        yield
        return
    read, entry = ONNXRegistry.from_torchlib, ONNXRegistry.__dict__["from_torchlib"]

    def kept(*args: Any, **named: Any) -> Any:
        key = repr((args, sorted(named.items())))
        if key not in _tables:
            _tables[key] = read(*args, **named)
        table = copy.copy(_tables[key])
        table.functions = {target: list(ways) for target, ways in table.functions.items()}
        return table

    ONNXRegistry.from_torchlib = staticmethod(kept)
    try:
        yield
    finally:
        ONNXRegistry.from_torchlib = entry
