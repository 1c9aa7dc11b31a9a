"""Kernels that adapt to the picture, when it comes in windows: a model is cut where it looks at the picture as a whole.

Its first part goes through all windows once, for the mean over the picture of what the coefficients are predicted from; the second
computes each window from that mean, so all windows have the kernels that the picture has as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pixsearch.card import STATISTICS

Samples = npt.NDArray[Any]


class Cut:
    """The two parts of the model in the file at `path`, which `open_part` opens when they are first used."""

    def __init__(self, path: Path, open_part: Callable[[bytes], ort.InferenceSession]) -> None:
        self._path, self._open_part = path, open_part
        self._parts: tuple[ort.InferenceSession | None, ort.InferenceSession, str] | None = None

    def features(self, feeds: Mapping[str, Samples]) -> npt.NDArray[np.float32]:
        """What is averaged, (C, h, w), for the inputs of one window."""
        first, _, source = self._open()
        found = feeds[source] if first is None else first.run([source], {port.name: feeds[port.name] for port in first.get_inputs()})[0]
        return np.asarray(found[0], np.float32)

    def run(self, output: str, feeds: Mapping[str, Samples], means: npt.NDArray[np.float64]) -> Samples:
        """The output called `output` for the inputs of one window and the `means` (C) over the whole picture."""
        _, second, _ = self._open()
        given = {port.name: port for port in second.get_inputs()}
        kind = np.float16 if given[STATISTICS].type == "tensor(float16)" else np.float32
        values = {**feeds, STATISTICS: means.astype(kind)[np.newaxis]}
        result: Samples = second.run([output], {name: values[name] for name in given})[0]
        return result

    def _open(self) -> tuple[ort.InferenceSession | None, ort.InferenceSession, str]:
        if self._parts is None:
            import onnx

            model = onnx.load_model(str(self._path))
            node = next(node for node in model.graph.node if STATISTICS in node.output)
            source, whole = node.input[0], onnx.ModelProto()
            whole.CopyFrom(model)
            first = None
            if source not in [port.name for port in model.graph.input]:
                del model.graph.output[:]
                model.graph.output.append(onnx.ValueInfoProto(name=source))
                first = self._open_part(model.SerializeToString())
            half = first is not None and first.get_outputs()[0].type == "tensor(float16)"
            whole.graph.node.remove(next(node for node in whole.graph.node if STATISTICS in node.output))
            kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
            whole.graph.input.append(onnx.helper.make_tensor_value_info(STATISTICS, kind, None))
            self._parts = first, self._open_part(whole.SerializeToString()), source
        return self._parts
