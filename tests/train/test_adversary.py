"""The controller finds what is hard, nothing is rewarded for being hard alone, and its whole state is in its tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixsearch.data.open import Data
from pixsearch.data.operations import LEVELS, suited
from pixsearch.data.patches import Patches
from pixsearch.data.policies import NOTHING, POLICIES, ROUND, SUBPOLICIES, policy_of
from pixsearch.nn.build import Network
from pixsearch.tasks.sr import SuperResolution
from pixsearch.train.adversary import Adversary, adversary_of, policies_of
from pixsearch.train.checkpoint import Checkpoints
from pixsearch.train.config import TrainConfig
from pixsearch.train.controller import Controller
from pixsearch.train.loop import fit

from .conftest import Notes
from .test_loop import same

OPERATIONS = suited(SuperResolution(2, "y"), "made")
COUNT = 8

Hardness = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def play(adversary: Adversary, rounds: int, hardness: Hardness, first: int = 0) -> None:
    """Let it see, at the last step of each round, losses that are `hardness` of each policy, (policies, …) → (policies,)."""
    for step in range((first + 1) * ROUND - 1, (first + rounds) * ROUND, ROUND):
        rng = np.random.default_rng(step)
        losses = hardness(adversary.policies(step), rng)[policy_of(step, COUNT, POLICIES)]
        output = torch.from_numpy(losses.astype(np.float32))[:, None, None, None]
        adversary.watch(output, torch.zeros_like(output), F.l1_loss, step)


def planted(name: str) -> Hardness:
    """The more, and the higher, of the operation called `name` a policy has, the harder: up to 30 % over clean patches, which vary too."""
    number = next(number for number, operation in enumerate(OPERATIONS) if operation.name == name)

    def hardness(policies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        amount = np.where(policies[..., 0] == number, policies[..., 1] / (LEVELS - 1), 0).mean(axis=(1, 2))
        return 0.013 * (1 + 0.3 * amount) * np.exp(rng.normal(0, 0.07, len(policies)))

    return hardness


def chances(adversary: Adversary) -> dict[str, float]:
    found: dict[str, float] = adversary.preferences()["operations"]
    return found


@pytest.mark.parametrize("name", ["shrink", "cutmix"])
def test_it_rises_towards_what_is_hard(name: str) -> None:
    adversary = Adversary(OPERATIONS, seed=1)
    before = chances(adversary)
    assert before[name] < 0.2
    play(adversary, 150, planted(name))
    after = adversary.preferences()
    assert after["operations"][name] > 0.5
    assert max(after["operations"], key=after["operations"].__getitem__) == name
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    assert np.mean(operation.span) < after["amounts"][name] <= operation.span[1]
    assert after["harder"] > 0.05


def test_what_makes_clean_patches_as_hard_earns_nothing() -> None:
    """Losses that rise for all policies alike are the same rewards."""

    def scaled(policies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return planted("blend")(policies, rng) * 8.0

    one, other = Adversary(OPERATIONS, seed=1), Adversary(OPERATIONS, seed=1)
    play(one, 10, planted("blend"))
    play(other, 10, scaled)
    assert chances(one) == pytest.approx(chances(other), abs=2e-4)


def test_no_choice_ever_becomes_certain() -> None:
    adversary = Adversary(OPERATIONS, seed=1)
    play(adversary, 120, planted("shrink"))
    assert min(chances(adversary).values()) > 1e-3
    assert max(chances(adversary).values()) < 0.97


def test_losses_that_are_no_numbers_teach_nothing() -> None:
    adversary = Adversary(OPERATIONS, seed=1)
    before = {name: value.clone() for name, value in adversary.tensors().items() if "controller" in name}
    play(adversary, 2, lambda policies, _rng: np.full(len(policies), np.nan))
    assert all(torch.equal(value, adversary.tensors()[name]) for name, value in before.items())
    assert int(adversary.tensors()["round"]) == 2


def test_the_identity_is_always_among_its_policies_and_they_last_a_round() -> None:
    adversary = Adversary(OPERATIONS, seed=2)
    seen = []
    for number in range(4):
        policies = adversary.policies(number * ROUND)
        assert policies.shape == (POLICIES, SUBPOLICIES, 2, 2)
        assert (policies[0] == NOTHING).all()
        assert np.array_equal(policies, adversary.policies((number + 1) * ROUND - 1))
        ahead = adversary.policies((number + 1) * ROUND)
        seen.append(policies)
        play(adversary, 1, planted("blend"), first=number)
        assert np.array_equal(ahead, adversary.policies((number + 1) * ROUND)), "what was drawn ahead stays true"
    assert not np.array_equal(seen[0], seen[1])


def test_taken_up_from_its_tensors_it_goes_on_as_if_unbroken() -> None:
    whole, first, second = (Adversary(OPERATIONS, seed=3) for _ in range(3))
    play(whole, 12, planted("cutout"))
    play(first, 7, planted("cutout"))
    with torch.no_grad():
        for name, value in second.tensors().items():
            value.copy_(first.tensors()[name])
    play(second, 5, planted("cutout"), first=7)
    mine, other = whole.tensors(), second.tensors()
    assert mine.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in mine.items())


def test_the_controller_says_what_it_writes_by() -> None:
    """Probabilities of all first choices sum to 1, and choices come as often as they are likely."""
    controller = Controller(4, seed=0)
    written = controller.write(4000, np.random.default_rng(0))
    said = controller.say(written)
    assert said.operations.shape == (4000, SUBPOLICIES, 2, 4)
    assert said.levels.shape == (4000, SUBPOLICIES, 2, LEVELS)
    torch.testing.assert_close(said.operations.sum(-1), torch.ones(4000, SUBPOLICIES, 2))
    shares = np.bincount(written[:, 0, 0, 0], minlength=4) / 4000
    assert shares == pytest.approx(said.operations[0, 0, 0].detach().numpy(), abs=0.04)
    picked = torch.from_numpy(written)
    log = said.operations.gather(3, picked[..., :1]).log() + said.levels.gather(3, picked[..., 1:]).log()
    torch.testing.assert_close(log.sum(dim=(1, 2, 3)), said.log_probability)


def test_generators_are_left_as_they_were() -> None:
    before: Tensor = torch.get_rng_state()
    play(Adversary(OPERATIONS, seed=3), 1, planted("cutout"))
    assert torch.equal(before, torch.get_rng_state())


@pytest.fixture
def against(
    data: Data, task: SuperResolution, network: Callable[..., Network], config: Callable[..., TrainConfig]
) -> Callable[..., Network]:
    """A training under an augmentation."""

    def train(augment: str = "adversarial", *, name: str = "plain-m1c4", **given: object) -> Network:
        settings = config(augment=augment, **{"steps": 2 * ROUND + 10, **{key: given.pop(key) for key in ("steps",) if key in given}})
        adversary = adversary_of(settings, task, data.train)
        policies = policies_of(settings, task, data.train, adversary)
        patches = Patches(data.train, task, batch=4, patch=16, seed=0, turns=augment != "none", policies=policies)
        return fit(network(name), patches, settings, adversary=adversary, **given)  # type: ignore[arg-type]

    return train


def test_every_kind_of_augmentation_trains_and_repeats_itself(against: Callable[..., Network]) -> None:
    kinds = ["none", "flips", "cutblur", "random", "adversarial"]
    trained = [against(kind) for kind in kinds]
    assert all(same(one, against(kind)) for one, kind in zip(trained, kinds, strict=True))
    assert not any(same(one, other) for number, one in enumerate(trained) for other in trained[:number])


def test_what_it_tends_to_is_on_record(against: Callable[..., Network], notes: Notes) -> None:
    against(note=notes)
    events = notes.of("policy")
    assert len(events) == 20
    assert events[0]["step"] == 1
    for event in events:
        assert set(event["operations"]) == {operation.name for operation in OPERATIONS}
        assert sum(event["operations"].values()) == pytest.approx(1, abs=0.01)
        assert event["progress"] < 1
    assert events[-1]["clean_loss"] > 0


def test_a_checkpoint_holds_the_adversary(against: Callable[..., Network], tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "")
    against(checkpoints=kept)
    packed = kept.latest()
    assert packed is not None
    assert int(packed.tensors["adversary/round"]) == 2
    assert float(packed.tensors["adversary/seen"][1].sum()) == 10 * 4
    longer = against(checkpoints=kept, steps=3 * ROUND)
    assert isinstance(longer, Network)
