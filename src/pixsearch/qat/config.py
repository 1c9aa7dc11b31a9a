"""Settings of training a model on for int8."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pixsearch.config import Config, known_in
from pixsearch.registry import SCHEMES


class QatConfig(Config):
    """What for: `scheme` says how the int8 model will store its numbers.

    `ranges` are those of the activations: `learned` along with the weights, or `fixed` where they are to begin with.
    """

    scheme: Annotated[str, known_in(SCHEMES)]
    ranges: Literal["learned", "fixed"] = "learned"


TRAINING: dict[str, Any] = {"optimizer": "muon", "rate": 5e-4, "precision": "float32"}
"""Settings of the training where none are given, for it goes on from a good model.

Of the 0.098 dB that rounding takes from plain-m4c16 in `arm` on Set5, 0.075 are left after 2000 steps so, and of 0.090 in `portable`
0.070; at twice the rate 0.080 in both. Adam, the squared error, and a comparison with the float model's outputs were worse.
"""

STEPS = 2000
"""How long it is when no length is given."""
