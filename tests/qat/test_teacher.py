"""Batches as a float model would have them."""

from __future__ import annotations

import numpy as np
import torch

from pixsearch.data.patches import Patches
from pixsearch.qat.teacher import Taught
from pixsearch.train.compute import choose
from pixsearch.train.config import TrainConfig


def test_the_truth_is_the_model_s_and_inputs_stay(make, data, task):
    network = make("ecbsr-m1c4")[0]
    patches = Patches(data.train, task, batch=2, patch=16, seed=0)
    taught = Taught(patches, network, choose(TrainConfig(steps=1, threads=1, precision="float32")))
    plain, batch, again = patches.draw(7), taught.draw(7), taught.draw(7)
    np.testing.assert_array_equal(batch.inputs["input"], plain.inputs["input"])
    with torch.no_grad():
        expected = network(torch.from_numpy(plain.inputs["input"])).numpy()
    np.testing.assert_allclose(batch.truth, expected, atol=1e-5)
    np.testing.assert_array_equal(batch.truth, again.truth)
    assert batch.truth.flags.c_contiguous
    assert (batch.truth.shape, batch.truth.dtype) == (plain.truth.shape, plain.truth.dtype)
