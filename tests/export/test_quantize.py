"""int8: really 8 bits where it counts, better than the runtime's plain way, and held to its gate."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from pixsearch.card import KEY
from pixsearch.errors import GateError
from pixsearch.export import quantize as quantizing
from pixsearch.export.config import ExportConfig
from pixsearch.export.graph import Graph
from pixsearch.export.observe import choose_crops
from pixsearch.export.onnx import export_float, read_model
from pixsearch.export.parity import check_int8
from pixsearch.export.quantize import quantize
from pixsearch.export.steps import QUANTIZED, float_part
from pixsearch.infer.session import OnnxModel, open_session, session_options

CONFIG = ExportConfig(int8=True)


@pytest.fixture(scope="session")
def files(trained, task, pictures, tmp_path_factory):
    """The trained network, float and int8."""
    folder = tmp_path_factory.mktemp("quantized")
    network, card = trained
    float_path = export_float(network, card, folder / "a.onnx")
    return float_path, quantize(float_path, card, pictures, task, folder / "a.int8.onnx", CONFIG)


def executed(path, folder) -> list[str]:
    """The operators that ONNX Runtime really runs."""
    options = session_options()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    open_session(path, options)
    return [node.op_type for node in onnx.load_model(folder / "optimized.onnx").graph.node]


def test_int8_loses_less_than_the_gate(files, task, pictures):
    parity = check_int8(*files, pictures, task, 0.15)
    assert -0.02 < parity.loss_db < 0.15
    assert set(parity.pictures) == set(pictures.names)
    assert parity.loss_db == pytest.approx(np.mean(list(parity.pictures.values())))


def test_int8_loses_less_than_the_runtimes_own_way(files, trained, task, pictures, tmp_path):
    float_path, int8_path = files
    crops = choose_crops(read_model(float_path), trained[1], task, pictures, 0)

    class Reader(CalibrationDataReader):
        left = iter(crops)

        def get_next(self):
            return next(self.left, None)

    plain = tmp_path / "plain.onnx"
    kinds = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(float_path, plain, Reader(), op_types_to_quantize=list(QUANTIZED), per_channel=True, **kinds)
    model = onnx.load_model(plain)
    onnx.helper.set_model_props(model, {KEY: trained[1].dumps()})
    onnx.save_model(model, plain)
    ours, theirs = (check_int8(float_path, path, pictures, task, 10).loss_db for path in (int8_path, plain))
    assert ours < 0.6 * theirs


def test_a_file_to_be_timed_alone_keeps_its_weights(files, trained, task, pictures, tmp_path):
    """Fitting them takes seconds a candidate."""
    records = []
    for fitted in (True, False):
        path = quantize(files[0], trained[1], pictures, task, tmp_path / f"{fitted}.onnx", ExportConfig(int8=True), fitted=fitted)
        records.append(OnnxModel.open(path).card.calibration["refitted_layers"])
    assert records == [4, 0]


def test_every_convolution_runs_in_8_bits(files, tmp_path):
    operators = executed(files[1], tmp_path)
    assert operators.count("QLinearConv") == 4
    assert "Conv" not in operators


def test_the_global_skip_reads_the_float_input(files):
    graph = Graph(read_model(files[1]))
    [addition] = [node for node in graph.nodes if node.op_type == "Add"]
    assert "input" in addition.input
    assert [node.op_type for node in graph.readers(addition.output[0])] == ["DepthToSpace"]


def test_the_card_says_how(files, pictures):
    card = OnnxModel.open(files[1]).card
    assert (card.precision, card.label) == ("int8", "net int8")
    assert card.calibration["photos"] == list(pictures.names)
    assert card.calibration["float_operators"] == ["Add", "DepthToSpace"]
    assert OnnxModel.open(files[0]).card.calibration == {}


def test_the_same_photos_and_seed_give_the_same_bytes(files, trained, task, pictures, tmp_path):
    again = quantize(files[0], trained[1], pictures, task, tmp_path / "again.onnx", CONFIG)
    assert again.read_bytes() == files[1].read_bytes()


def test_ranges_from_the_wrong_pictures_miss_the_gate(files, trained, task, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(
        quantizing, "choose_crops", lambda *_: [{"input": np.full((1, 1, 32, 32), 0.1, np.float32)}]
    )  # as from one black photo
    dark = quantize(files[0], trained[1], pictures, task, tmp_path / "dark.int8.onnx", CONFIG)
    with pytest.raises(GateError, match=r"int8 loses .* dB .* on 3 held-out photos .* 0\.15 dB is the limit") as caught:
        check_int8(files[0], dark, pictures, task, 0.15)
    assert caught.value.exit_code == 5


def one(op, act, width=8, **more):
    return [{"op": op, "act": act, "width": width, **more}]


MEMBERS = {
    "hardswish, depthwise": ({"layers": one("dw3", "hardswish"), "skip": "bicubic"}, 2, "y", ["Pad", "Conv", "Add", "DepthToSpace"]),
    "residual": ({"layers": one("ib3", "prelu", 3, hidden=9, residual=True)}, 2, "rgb", ["Split", "Concat", "Add", "DepthToSpace"]),
    "folded": ({"layers": one("conv5", "relu"), "head": "s2d"}, 2, "rgb", ["SpaceToDepth", "Split", "Concat", "Add", "DepthToSpace"]),
    "folded by 4": ({"layers": one("conv3", "relu"), "head": "s2d4"}, 2, "rgb", ["SpaceToDepth", "Split", "Concat", "Add", "DepthToSpace"]),
    "folded bicubic": ({"layers": one("conv3", "leaky"), "head": "s2d", "skip": "bicubic"}, 2, "y", ["Pad", "Conv", "Add", "DepthToSpace"]),
    "transposed": ("fsrcnn", 2, "y", []),
    "tanh": ("espcn", 3, "y", []),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_every_kind_of_network_can_be_quantized(make, tmp_path, member):
    from pixsearch.tasks.base import make_task

    what, scale, color, kept = MEMBERS[member]
    network, card = make(what, scale=scale, color=color)
    path = export_float(network, card, tmp_path / "a.onnx")
    model = read_model(path)
    names = float_part(model)
    assert [node.op_type for node in model.graph.node if node.name in names] == kept
    out = quantize(path, card, FakePictures(scale), make_task("sr", scale, color), tmp_path / "q.onnx", CONFIG)
    exact, small = OnnxModel.open(path), OnnxModel.open(out, precise_int8=True)
    planes = {"input": np.random.default_rng(0).uniform(0.2, 0.8, (card.signature.in_channels, 33, 47)).astype(np.float32)}
    expected = exact.run(planes)
    error = small.run(planes) - expected
    assert error.shape == (card.signature.out_channels, 33 * scale, 47 * scale)
    assert np.sqrt(np.mean(error**2)) < 0.03 * np.ptp(expected)
    assert "QLinearConv" in executed(out, tmp_path)
    graph = Graph(read_model(out))
    roundings = [graph.maker(name) for node in graph.nodes if node.name in names for name in graph.flowing(node)]
    assert [node.op_type for node in roundings if node is not None].count("DequantizeLinear") == bool(kept)  # the chain's end alone


class FakePictures:
    """Noise in place of photos: enough to span the ranges."""

    names = ("noise",)

    def __init__(self, scale):
        self.scale = scale

    def __len__(self):
        return 1

    def pair(self, index):
        from pixsearch.tasks.base import Pair

        noise = np.random.default_rng(index).integers(40, 215, (60, 70, 3), np.uint8)
        return Pair({"input": noise}, np.zeros((60 * self.scale, 70 * self.scale, 3), np.uint8))


@pytest.mark.parametrize("scheme", ["arm", "portable"])
def test_the_quicker_model_of_the_quantizer_gives_the_same_bytes(make, tmp_path, monkeypatch, scheme):
    from onnxruntime.quantization.onnx_model import ONNXModel

    from pixsearch.export import steps
    from pixsearch.registry import SCHEMES

    model = read_model(export_float(*make("fsrcnn"), tmp_path / "float.onnx"))
    ranges = dict.fromkeys(Graph(model).activations(), (-1.0, 0.9))
    made = [steps.insert_steps(model, ranges, SCHEMES.load(scheme), steps.float_part(model))]
    monkeypatch.setattr(steps, "IntegerModel", ONNXModel)
    made.append(steps.insert_steps(model, ranges, SCHEMES.load(scheme), steps.float_part(model)))
    assert made[0].SerializeToString() == made[1].SerializeToString()
