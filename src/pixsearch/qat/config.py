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


TRAINING: dict[str, Any] = {"optimizer": "muon", "rate": 2e-3, "precision": "float32"}
"""Settings of the training where none are given: it goes on from a good model, and in exact steps."""

STEPS = 3000
"""How long it is when no length is given."""
