"""Operations of augmentation: what they make of a truth, and that every input stays what the task makes of that truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixsearch.data.cache import ClipCache, PairCache
from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.data.operations import LEVELS, OPERATIONS, Chosen, contrast, suited
from pixsearch.data.patches import Patches
from pixsearch.data.policies import NOTHING, POLICIES, SUBPOLICIES, Plan, one_operation, policy_of, random_policies, with_identity
from pixsearch.pixels import mosaic
from pixsearch.pixels.resize import resize
from pixsearch.tasks.base import Batch, make_task

TASKS = [
    ("sr", 2, "y", {}),
    ("sr", 3, "rgb", {}),
    ("denoise", 1, "rgb", {}),
    ("denoise", 1, "y", {"sigma": "5-50", "level": True}),
    ("denoise", 1, "rgb", {"noise": "camera"}),
    ("jdd", 2, "rgb", {}),
    ("jdd", 2, "rgb", {"noise": "none"}),
    ("enhance", 1, "rgb", {}),
    ("video-sr", 2, "y", {"length": 5}),
    ("video-denoise", 1, "rgb", {}),
]
SIDE, COUNT = 16, 6


def name_of(case):
    name, scale, color, given = case
    return "-".join([name, f"x{scale}", color, *given])


@pytest.fixture(scope="module")
def cached(sample_images, tmp_path_factory):
    """The cache of a task's pairs out of three photos, made once for each."""
    known = {}

    def make(case) -> PairCache | ClipCache:
        if name_of(case) not in known:
            photos = tuple(sample_images / f"{name}.png" for name in ("chelsea", "coffee", "flower"))
            config = DataConfig(photos=photos[:2], val=photos[2:], cache=tmp_path_factory.mktemp("cache"))
            known[name_of(case)] = open_data(config, make_task(*case)).train
        return known[name_of(case)]

    return make


def always(operations, name, level):
    """Policies that do the operation to every patch but those of the identity."""
    number = next(number for number, operation in enumerate(operations) if operation.name == name)
    policies = with_identity(np.full((1, 1, 2, 2), NOTHING))
    policies[1, 0, 0] = number, level
    return lambda _step: policies


def drawn(case, cache, name=None, level=None, seed=0, step=1):
    """The batch, and the numbers of the patches that the operation befell, at the level that does most."""
    task = make_task(*case)
    level = (0 if name in ("intensity", "contrast") else LEVELS - 1) if level is None else level
    policies = None if name is None else always(suited(task, cache.origin), name, level)
    batch = Patches(cache, task, batch=COUNT, patch=SIDE, seed=seed, policies=policies).draw(step)
    return batch, np.flatnonzero(policy_of(step, COUNT, 2) == 1)


@pytest.mark.parametrize("case", TASKS, ids=name_of)
class TestEveryOperation:
    def test_batches_keep_shapes_types_and_ranges(self, case, cached):
        cache = cached(case)
        plain, _ = drawn(case, cache)
        for operation in suited(make_task(*case), cache.origin):
            for level in (0, LEVELS // 2, LEVELS - 1):
                batch, _ = drawn(case, cache, operation.name, level)
                assert batch.truth.shape == plain.truth.shape
                for name, planes in batch.inputs.items():
                    assert planes.shape == plain.inputs[name].shape
                    assert planes.dtype == np.float32
                    assert np.isfinite(planes).all()
                assert batch.truth.dtype == np.float32
                assert batch.truth.min() >= -1e-5, operation.name
                assert batch.truth.max() <= 1 + 1e-5, operation.name

    def test_it_befalls_its_own_patches_alone(self, case, cached):
        """Truths of the others are what they are without; noise may be drawn anew."""
        cache = cached(case)
        plain, _ = drawn(case, cache)
        for operation in suited(make_task(*case), cache.origin):
            batch, who = drawn(case, cache, operation.name)
            others = np.setdiff1d(np.arange(COUNT), who)
            assert np.array_equal(batch.truth[others], plain.truth[others]), operation.name
            touched = [np.abs(batch.inputs[name][who] - plain.inputs[name][who]).max() for name in plain.inputs]
            assert max(*touched, np.abs(batch.truth[who] - plain.truth[who]).max()) > 0.01, operation.name

    def test_a_batch_is_a_function_of_seed_and_step(self, case, cached):
        task, cache = make_task(*case), cached(case)
        policies = random_policies(suited(task, cache.origin), 3)
        patches = Patches(cache, task, batch=COUNT, patch=SIDE, seed=2, policies=policies)
        first, second, other = patches.draw(60), patches.draw(60), patches.draw(61)
        assert np.array_equal(first.truth, second.truth)
        assert all(np.array_equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
        assert not np.array_equal(first.truth, other.truth)


BEFORE = ("permute", "blend", "mixup", "cutmix", "cutmixup", "cutblur", "cutout", "intensity", "contrast", "shrink", None)


@pytest.mark.parametrize(("case", "name"), [*((TASKS[0], name) for name in BEFORE[1:]), *((TASKS[1], name) for name in BEFORE)])
def test_inputs_of_super_resolution_are_their_truths_reduced(case, name, cached):
    """Within two levels (pictures are rounded to 8 bits), but for a few that were clipped, and for the pixels near a patch's rim,
    where the kernel sees what lies beyond."""
    cache = cached(case)
    for seed in range(4):
        batch, who = drawn(case, cache, name, seed=seed)
        wanted = np.stack([[resize(plane, SIDE, SIDE) for plane in planes] for planes in batch.truth])
        off = np.abs(wanted - batch.inputs["input"])[..., 3:-3, 3:-3]
        assert np.quantile(off[who], 0.98) < 2 / 255
        assert off.mean() < 1 / 255


@pytest.mark.parametrize("name", [name for name in BEFORE if name is not None])
def test_a_mosaic_is_that_of_its_truth(name, cached):
    """Turned, mirrored and changed in any way, its phase stays that of RGGB."""
    case = ("jdd", 2, "rgb", {"noise": "none"})
    for step in range(4):
        batch, _ = drawn(case, cached(case), name, step=step)
        assert np.array_equal(batch.inputs["mosaic"], mosaic.pack(batch.truth))


@pytest.mark.parametrize("name", [name for name in BEFORE if name != "cutblur"])
def test_noise_stays_as_strong_whatever_becomes_of_the_truth(name, cached):
    case = ("denoise", 1, "rgb", {})
    batch, who = drawn(case, cached(case), name)
    noise = (batch.inputs["input"] - batch.truth)[who]
    assert noise.std() * 255 == pytest.approx(25, rel=0.05)


@pytest.mark.parametrize(("level", "factor"), [(0, 0.7), (LEVELS - 1, 1.3)])
def test_the_degradation_is_made_stronger_and_weaker_within_bounds(level, factor, cached):
    case = ("denoise", 1, "y", {"sigma": "20", "level": True})
    batch, who = drawn(case, cached(case), "strength", level)
    noise = (batch.inputs["input"] - batch.truth)[who]
    assert noise.std() * 255 == pytest.approx(20 * factor, rel=0.05)
    assert batch.inputs["level"][who] * 255 == pytest.approx(20 * factor, abs=1e-3)


def test_the_mosaic_s_noise_is_made_weaker(cached):
    case = ("jdd", 2, "rgb", {})
    plain, _ = drawn(case, cached(case))
    weaker, who = drawn(case, cached(case), "strength", 0)
    residual = [(batch.inputs["mosaic"] - mosaic.pack(batch.truth))[who] for batch in (plain, weaker)]
    assert residual[1] == pytest.approx(0.7 * residual[0], abs=1e-5)


def test_cutblur_gives_a_square_of_the_input_undamaged(cached):
    case = ("denoise", 1, "y", {"sigma": "20", "level": True})
    batch, who = drawn(case, cached(case), "cutblur")
    for number in who:
        clean = batch.inputs["input"][number, 0] == batch.truth[number, 0]
        rows, columns = np.flatnonzero(clean.any(axis=1)), np.flatnonzero(clean.any(axis=0))
        assert len(rows) == len(columns) == np.ceil(0.7 * SIDE)
        square = np.ix_(rows, columns)
        assert clean[square].all()
        assert clean.sum() == len(rows) ** 2
        assert (batch.inputs["level"][number, 0] == 0).sum() == len(rows) ** 2
        assert (batch.inputs["level"][number, 0][square] == 0).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
@given(seed=st.integers(0, 2**32), amount=st.floats(0.05, 0.7))
@settings(max_examples=20, deadline=None)
def test_squares_cover_the_same_place_in_input_and_truth(scale, seed, amount):
    """Each patch is of one value, so a square shows where it came to lie."""
    task = make_task("sr", scale, "y")
    values = np.linspace(0, 1, COUNT, dtype=np.float32)[:, None, None, None]
    batch = Batch(
        {"input": np.ones((COUNT, 1, SIDE, SIDE), np.float32) * values},
        np.ones((COUNT, 1, SIDE * scale, SIDE * scale), np.float32) * values,
    )
    cutmix = next(operation for operation in OPERATIONS if operation.name == "cutmix")
    amounts = np.full((COUNT, 1, 1, 1), amount, np.float32)
    cutmix.apply(Chosen(batch, task, np.arange(COUNT), amounts, np.random.default_rng(seed)))
    assert np.array_equal(batch.inputs["input"].repeat(scale, axis=2).repeat(scale, axis=3), batch.truth)
    changed = (batch.inputs["input"] != values).sum(axis=(1, 2, 3))
    assert (changed == np.ceil(np.float32(amount) * SIDE) ** 2).all()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_levels_go_from_one_end_of_the_span_to_the_other(operation):
    amounts = operation.amounts(np.arange(LEVELS))
    assert amounts[[0, -1]] == pytest.approx(operation.span)
    assert (np.diff(amounts) >= 0).all()


def test_tasks_have_what_suits_them():
    names = {name_of(case): {operation.name for operation in suited(make_task(*case), "drawn")} for case in TASKS}
    assert "permute" in names["jdd-x2-rgb"]
    assert "permute" not in names["sr-x2-y"]
    assert "strength" in names["enhance-x1-rgb"]
    assert not {"strength"} & (names["sr-x2-y"] | names["video-sr-x2-y-length"] | names["jdd-x2-rgb-noise"])
    assert "shrink" not in names["video-sr-x2-y-length"]
    assert "shrink" not in {operation.name for operation in suited(make_task("sr", 2, "y"), "given")}
    assert "permute" not in {operation.name for operation in suited(make_task("jdd", 2, "rgb"), "given")}


def test_policies_are_shared_out_evenly_and_the_first_is_the_identity():
    operations = suited(make_task("sr", 2, "y"), "made")
    policies = random_policies(operations, 0)(7)
    assert policies.shape == (POLICIES, SUBPOLICIES, 2, 2)
    assert (policies[0] == NOTHING).all()
    assert policies[1:, ..., 0].min() >= 0
    assert policies[1:, ..., 0].max() < len(operations)
    plan = Plan(operations, policies, 7, 16, seed=0)
    own = policy_of(7, 16, POLICIES)
    assert np.bincount(own).tolist() == [4] * POLICIES
    assert (plan.chosen[own == 0] == NOTHING).all()
    for number in range(16):
        assert plan.chosen[number].tolist() in policies[own[number]].tolist()


def test_batches_smaller_than_the_policies_take_turns():
    assert {int(policy) for step in range(POLICIES) for policy in policy_of(step, 1, POLICIES)} == set(range(POLICIES))
    parts = np.concatenate([policy_of(5, 3, POLICIES, part) for part in range(4)])
    assert np.array_equal(parts, policy_of(5, 12, POLICIES))


def test_cutblur_alone_befalls_half_of_the_patches():
    operations = suited(make_task("denoise", 1, "rgb"), "drawn")
    plan = Plan(operations, one_operation(operations, "cutblur")(0), 0, 64, seed=0)
    befallen = plan.chosen[:, 0, 0] != NOTHING
    assert befallen.sum() == 32
    assert {operations[number].name for number in plan.chosen[befallen, 0, 0]} == {"cutblur"}


def test_without_turns_the_same_places_lie_as_they_were(cached):
    case = TASKS[0]
    task, cache = make_task(*case), cached(case)
    plain, turned = (Patches(cache, task, batch=COUNT, patch=SIDE, seed=0, turns=turns).draw(3) for turns in (False, True))
    for one, other in zip(plain.truth[:, 0], turned.truth[:, 0], strict=True):
        eight = [np.rot90(side, k) for side in (one, one.T) for k in range(4)]
        assert any(np.array_equal(way, other) for way in eight)
    assert not np.array_equal(plain.truth, turned.truth)


def test_contrast_is_lowered_about_the_mean_of_each_patch():
    rng = np.random.default_rng(0)
    truth = (rng.random((2, 1, 8, 8)) * np.array([0.2, 0.6])[:, None, None, None]).astype(np.float32)
    batch, before = Batch({}, truth.copy()), truth.mean((1, 2, 3))
    amount = np.full((2, 1, 1, 1), 0.7, np.float32)
    contrast(Chosen(batch, make_task("denoise", 1, "y"), np.arange(2), amount, rng))
    np.testing.assert_allclose(batch.truth.mean((1, 2, 3)), before, atol=1e-6)
    np.testing.assert_allclose(batch.truth.std((1, 2, 3)), 0.7 * truth.std((1, 2, 3)), rtol=1e-5)
