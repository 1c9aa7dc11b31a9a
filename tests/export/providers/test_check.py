"""What phones take of each format, and why not the rest. The figures are those of the providers themselves (test_android.py)."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parent))

from graphs import graphs

from pixsearch.export.providers.check import CONDITIONS, check_model, punished
from pixsearch.export.providers.rules import read_rules


@pytest.fixture(scope="module")
def checks(make, tmp_path_factory):
    """`checks("relu")`: each format's check at a feature level, 29 by default."""
    made: dict[str, dict[str, onnx.ModelProto]] = {}

    def checked(name, level=29, **more):
        key = f"{name}{more}"
        if key not in made:
            made[key] = dict(graphs(make, tmp_path_factory.mktemp("graphs"), name, **more))
        return {form: check_model(graph, level) for form, graph in made[key].items()}

    return checked


def refusals(check, provider):
    return {(one.operator, one.refused[provider]) for one in check.judged if one.refused[provider] is not None}


def test_every_node_is_counted_once(checks, make, tmp_path):
    for (_, graph), check in zip(graphs(make, tmp_path, "relu"), checks("relu").values(), strict=True):
        assert check.nodes == len(graph.graph.node)
        assert check.taken()["CPU"] == check.nodes


def test_portable_is_what_all_three_take(checks):
    found = checks("relu")
    assert refusals(found["portable"], "nnapi") == refusals(found["portable uint8"], "nnapi") == set()
    convolutions = [one for one in found["portable"].judged if one.operator == "Conv"]
    assert [one.form for one in convolutions] == ["u8u8", "u8u8"]
    assert all(one.refused == {"cpu": None, "xnnpack": None, "nnapi": None} for one in convolutions)


def test_arm_is_refused_by_nnapi_for_its_signed_activations(checks):
    check = checks("relu")["arm"]
    taken = [one.operator for one in check.judged if one.refused["nnapi"] is None]
    assert taken == ["Add", "DepthToSpace"]  # what stays float; the wheel's usability checker calls all of it supported
    assert ("Conv", "signed 8-bit activations; it takes float, u8u8, u8s8, u8s8/channel") in refusals(check, "nnapi")
    assert [one.refused["xnnpack"] for one in check.judged if one.operator == "Conv"] == [None, None]


def test_nnapi_s_own_format_is_refused_by_xnnpack_and_before_level_29(checks):
    assert refusals(checks("relu")["nnapi"], "nnapi") == set()
    assert all("it is u8s8/channel" in why for operator, why in refusals(checks("relu")["nnapi"], "xnnpack") if operator == "Conv")
    older = refusals(checks("relu", 28)["nnapi"], "nnapi")
    assert ("Conv", "only from feature level 29 on") in older
    assert ("Conv", "only from feature level 29 on") not in refusals(checks("relu", 28)["portable"], "nnapi")


def test_a_graph_for_any_size_is_taken_by_the_cpu_alone(checks):
    found = checks("relu", any_size=True)
    for check in found.values():
        taken = check.taken()
        assert (taken["CPU"], taken["XNNPACK"], taken["NNAPI"]) == (check.nodes, 0, 0)
    assert {why for _, why in refusals(found["float"], "nnapi")} == {"its height and width are not fixed"}


def test_fp16_is_the_cpu_s_alone(checks):
    taken = checks("relu")["fp16"].taken()
    assert (taken["XNNPACK"], taken["NNAPI"]) == (0, 0)
    assert ("Cast", "it casts to float16") in refusals(checks("relu")["fp16"], "nnapi")


def test_16_bit_activations_are_computed_in_float(checks):
    convolutions = [one for one in checks("relu")["a16w8"].judged if one.operator == "Conv"]
    assert all(one.remarks == {"cpu": "computed in float"} and one.refused["nnapi"] is not None for one in convolutions)


@pytest.mark.parametrize(
    ("network", "operator", "why"),
    [
        ("hardswish", "HardSwish", "NNAPI has no HardSwish"),
        ("fsrcnn", "ConvTranspose", "NNAPI has no ConvTranspose"),
        ("folded", "SpaceToDepth", "NNAPI has no SpaceToDepth"),
        ("bicubic", "Pad", "its mode is edge; it takes constant"),
    ],
)
def test_why_nnapi_takes_no_such_operator(checks, network, operator, why):
    assert refusals(checks(network)["float"], "nnapi") == {(operator, why)}


def test_leaky_relu_is_taken_in_float_and_not_in_8_bits(checks):
    assert refusals(checks("leaky")["float"], "nnapi") == set()
    assert refusals(checks("leaky")["portable"], "nnapi") == {("LeakyRelu", "it is u8; it takes float")}


def test_the_wrong_order_of_sub_pixels(make, tmp_path):
    port, output = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, s, s]) for n, c, s in (("x", 12, 4), ("y", 3, 8)))
    node = helper.make_node("DepthToSpace", ["x"], ["y"], name="shuffle", blocksize=2, mode="CRD")
    check = check_model(helper.make_model(helper.make_graph([node], "g", [port], [output])))
    assert refusals(check, "nnapi") == {("DepthToSpace", "its mode is CRD; it takes DCR")}


def computed_kernel():
    """A convolution whose kernel is an input."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, 4, 9, 9]), ("k", [4, 4, 3, 3]))]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 7, 7])
    return helper.make_model(helper.make_graph([helper.make_node("Conv", ["x", "k"], ["y"])], "g", ports, [output]))


def test_a_computed_kernel_is_refused_by_both_and_has_its_price():
    check = check_model(computed_kernel())
    assert refusals(check, "nnapi") == refusals(check, "xnnpack") == {("Conv", "its kernel is computed, not a constant")}
    [price] = punished(computed_kernel(), ("float",))
    assert "11.4 to 11.4 ms" in price.text


def test_prices_stand_where_they_are_paid(make, tmp_path):
    prelu, relu = (dict(graphs(make, tmp_path, name))["float"] for name in ("prelu", "relu"))
    assert list(punished(prelu, ("float",))) == list(punished(relu, ("float", "int8", "fp16"))) == []
    assert [price.precisions for price in punished(prelu, ("float", "int8", "fp16"))] == [("int8",), ("fp16",)]
    assert all("modelled A76" in price.text for price in read_rules().prices)


def test_rules_name_conditions_that_there_are():
    rules = read_rules()
    named = {name for provider in rules.providers for rule in provider.operators.values() for name in rule.when}
    assert named | {price.when_not for price in rules.prices if price.when_not} == set(CONDITIONS)
    forms = {form for provider in rules.providers for rule in provider.operators.values() for form in rule.levels}
    assert forms <= {"float", "u8", "u8u8", "u8s8", "u8s8/channel", "s8s8", "s8s8/channel"}


def test_a_graph_of_other_types_is_judged_without_a_stumble():
    port, output = (helper.make_tensor_value_info(name, TensorProto.INT64, [2]) for name in ("x", "y"))
    check = check_model(helper.make_model(helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [port], [output])))
    assert check.to_json()["operators"][0]["refused"] == {"xnnpack": "XNNPACK has no Neg", "nnapi": "NNAPI has no Neg"}
