"""How networks of clips begin."""

from __future__ import annotations

import pytest
import torch

from pixsearch.nn.build import build
from pixsearch.registry import SPACES
from pixsearch.tasks.base import make_task


def network(op="conv3", head="plain", window=3):
    task = make_task("video-sr", 2, "y", {"window": window})
    genes = {"layers": [{"op": op, "width": 16, "act": "relu"}] * 2, "head": head, "form": "stacked", "window": window}
    return build(SPACES.load("video")(task.signature).parse(genes), task.signature, seed=0)


@pytest.mark.parametrize("head", ["plain", "s2d"])
@pytest.mark.parametrize("window", [3, 5])
def test_a_stacked_network_begins_as_one_of_the_answered_frame(head, window):
    weight = network(head=head, window=window).body.layers[0][0].weight.unflatten(1, (-1, window))
    weight = weight.detach()
    own, around = weight[:, :, 0], weight[:, :, 1:]
    assert own.std() / around.std() == pytest.approx(5, rel=0.2)
    for part in (own, around):
        assert part.sum((1, 2, 3) if part.ndim == 4 else (1, 2, 3, 4)).abs().max() < 1e-4


def test_what_is_around_it_still_counts():
    torch.manual_seed(0)
    own, around, others = torch.rand(1, 1, 12, 12), torch.rand(1, 2, 12, 12), torch.rand(1, 2, 12, 12)
    assert (network()(torch.cat([own, around], 1)) - network()(torch.cat([own, others], 1))).abs().max() > 1e-4
