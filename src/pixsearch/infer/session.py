"""Open an exported model and run it on planes of any size: ONNX Runtime and numpy, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pixsearch.card import KEY, ModelCard
from pixsearch.errors import DataError
from pixsearch.infer.ports import UINT8_NHWC, State, empty_state, from_output, padded, to_feed
from pixsearch.infer.whole import Cut
from pixsearch.signature import NEXT
from pixsearch.tasks.base import Planes

Adjust = Callable[[ort.SessionOptions], None]
PROVIDERS = ("CPUExecutionProvider",)
_SILENT = 4  # its errors are raised, so they need not be printed as well
_OPTIMIZATION = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def session_options(*, threads: int = 1, precise_int8: bool = False, optimization: str = "all") -> ort.SessionOptions:
    """Options of a quiet session on `threads` threads.

    `precise_int8` sets `session.x64quantprecision`: an x86 processor without VNNI then multiplies 8-bit values without
    saturating, slower, and agrees with other processors. `optimization` is `none`, `basic` or `all`.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    options.graph_optimization_level = _OPTIMIZATION[optimization]
    if precise_int8:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def open_session(source: Path | bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    """A CPU session on a file or a serialized model; `DataError` when it is missing, damaged or no ONNX."""
    if isinstance(source, Path) and not source.is_file():
        raise DataError(f"There is no file `{source}`. Give a model that `pixsearch export` has written.")
    try:
        return ort.InferenceSession(source if isinstance(source, bytes) else str(source), options, providers=list(PROVIDERS))
    except Exception as error:  # ONNX Runtime's errors share no base class but this one
        name = f"`{source}`" if isinstance(source, Path) else "The model"
        reason = str(error).rpartition(":")[2].strip().rstrip(".")
        raise DataError(
            f"{name} is not an ONNX model that ONNX Runtime {ort.__version__} can open ({reason}). "
            "It is damaged or of another kind: export it again."
        ) from error


class OnnxModel:
    """An exported model, open for inference; it carries its card, so the file alone is enough.

    The network itself takes sides that are multiples of `card.multiple`, or one shape; `run` takes any size up to that. Thread-safe
    once open.
    """

    def __init__(self, session: ort.InferenceSession, card: ModelCard, path: Path, cut: Cut) -> None:
        self.session, self.card, self.path = session, card, path
        self._cut = cut

    @classmethod
    def open(
        cls, path: Path, *, threads: int = 1, precise_int8: bool = False, optimization: str = "all", adjust: Adjust | None = None
    ) -> OnnxModel:
        """The model in the file at `path`; `DataError` when it is not ONNX, carries no card or is damaged.

        `adjust` may change the options of its sessions before any is opened.
        """
        options = session_options(threads=threads, precise_int8=precise_int8, optimization=optimization)
        if adjust is not None:
            adjust(options)
        session = open_session(path, options)
        metadata = session.get_modelmeta().custom_metadata_map
        if KEY not in metadata:
            raise DataError(f"`{path}` is an ONNX model but carries no pixsearch card. Give one that `pixsearch export` has written.")
        card = ModelCard.loads(metadata[KEY], str(path))
        _check_ports(session, card, path)
        return cls(session, card, path, Cut(path, lambda part: open_session(part, options)))

    def run(self, inputs: Mapping[str, Planes], means: npt.NDArray[np.float64] | None = None) -> Planes:
        """The output for `inputs`, float32 planes (C, H, W) or (N, C, H, W) by port name, of any H and W.

        The result is (C, H·scale, W·scale) or (N, C, H·scale, W·scale), not clipped. Sides that are no multiple of
        `card.multiple`, or shorter than `card.shape`, are continued with their edge pixels and the output is cropped. A file with
        8-bit ports rounds both. `DataError` names a plane that is missing, unknown, of the wrong shape or larger than `card.shape`.
        `means` (C) are those of the picture that `inputs` are a window of, for a model that `sees_whole`.
        """
        planes = self._checked(inputs)
        first = next(iter(planes.values()))
        if first.ndim == 3:
            return self._run_one(planes, means)
        return np.stack([self._run_one({name: plane[n] for name, plane in planes.items()}, means) for n in range(len(first))])

    def _run_one(self, planes: dict[str, Planes], means: npt.NDArray[np.float64] | None) -> Planes:
        if means is None:
            return self.step(planes, None)[0]
        height, width = next(iter(planes.values())).shape[-2:]
        card, scale = self.card, self.card.signature.scale
        output: Planes = from_output(card, self._cut.run(card.signature.output.name, self._feeds(planes), means))[0]
        return output[:, : height * scale, : width * scale]

    def step(self, inputs: Mapping[str, Planes], state: State | None) -> tuple[Planes, State]:
        """The output for planes (C, H, W) of one frame, as `run` gives it, and the state to be given with the next frame.

        `state` is what this gave for the frame before; None for a first frame, and of a model without one. All frames of a clip have
        one size.
        """
        planes = self._checked(inputs)
        height, width = next(iter(planes.values())).shape[-2:]
        card, signature = self.card, self.card.signature
        feeds = self._feeds(planes)
        feeds |= empty_state(card, height, width) if state is None else state
        wanted = [signature.output.name, *(f"{NEXT}{port.name}" for port in signature.state)]
        output, *following = self.session.run(wanted, feeds)
        whole = from_output(card, output)[0]
        state = {port.name: values for port, values in zip(signature.state, following, strict=True)}
        return whole[:, : height * signature.scale, : width * signature.scale], state

    def features(self, inputs: Mapping[str, Planes]) -> Planes:
        """What a model that `sees_whole` takes the means of: (C, h, w) for planes (C, H, W), continued as `run` does."""
        return self._cut.features(self._feeds(self._checked(inputs)))

    def _feeds(self, planes: dict[str, Planes]) -> dict[str, npt.NDArray[Any]]:
        card = self.card
        return {port.name: to_feed(card, port, padded(card, planes[port.name])[np.newaxis]) for port in card.signature.inputs}

    def _checked(self, inputs: Mapping[str, Planes]) -> dict[str, Planes]:
        ports = {port.name: port for port in self.card.signature.inputs}
        if set(inputs) != set(ports):
            raise DataError(f"`{self.path.name}` takes {', '.join(sorted(ports))} and was given {', '.join(sorted(inputs))}.")
        shapes = {(plane.shape[:-3], plane.shape[-2:]) for plane in inputs.values()}
        for name, plane in inputs.items():
            fits = plane.ndim in (3, 4) and plane.size > 0 and plane.shape[-3] == ports[name].channels and len(shapes) == 1
            if not fits:
                raise DataError(
                    f"`{name}` has shape {plane.shape}, but `{self.path.name}` takes ({ports[name].channels}, H, W) "
                    "or (N, …), alike for all its inputs."
                )
        return {name: np.ascontiguousarray(plane, np.float32) for name, plane in inputs.items()}


def _check_ports(session: ort.InferenceSession, card: ModelCard, path: Path) -> None:
    """The graph must take and give what its card says."""
    said = {port.name: _axes(card, port.channels) for port in card.signature.inputs}
    said |= {port.name: _axes(card, port.channels, card.multiple) for port in card.signature.state}
    found = {port.name: (port.type, [side if isinstance(side, int) else None for side in port.shape]) for port in session.get_inputs()}
    outputs = [port.name for port in session.get_outputs()]
    if said != found or not {card.signature.output.name, *(f"{NEXT}{port.name}" for port in card.signature.state)} <= {*outputs}:
        raise DataError(
            f"`{path}` takes {_words(found)} and gives {outputs}, but its card says {_words(said)} and `{card.signature.output.name}`. "
            "Export it again."
        )


def _axes(card: ModelCard, channels: int, part: int = 1) -> tuple[str, list[int | None]]:
    """The type and the sides of an input with so many channels; None for sides that may be any. Those of a state are a `part`."""
    height, width = (None, None) if card.shape is None else (side // part for side in card.shape)
    if card.io == UINT8_NHWC:
        return "tensor(uint8)", [1, height, width, channels]
    return "tensor(float)", [1, channels, height, width]


def _words(ports: dict[str, tuple[str, list[int | None]]]) -> str:
    return ", ".join(f"`{name}` {kind} {['any' if side is None else side for side in sides]}" for name, (kind, sides) in ports.items())
