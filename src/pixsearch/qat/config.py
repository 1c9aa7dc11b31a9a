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


TRAINING: dict[str, Any] = {"optimizer": "muon", "rate": 1e-3, "precision": "float32"}
"""Settings of the training where none are given, for it goes on from a good model.

Of the 0.173 dB that rounding takes from plain-m4c16 in `arm` on Set5, 0.079 are left after 2000 steps so; with Adam, or at twice
the rate, 0.09 from 1000 steps on. By the squared error 0.11 to 0.13 are, and compared with the float model's outputs 0.094.
"""

STEPS = 2000
"""How long it is when no length is given."""
