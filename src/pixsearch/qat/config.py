"""Settings of training a model on for int8."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pixsearch.config import Config, known_in
from pixsearch.registry import SCHEMES


class QatConfig(Config):
    """What for: `scheme` says how the int8 model will store its numbers.

    `ranges` are those of the activations: `learned` along with the weights, or `fixed` where they are to begin with. `truth` is
    what outputs are compared with: those of the float `model` before, or the `photos`.
    """

    scheme: Annotated[str, known_in(SCHEMES)]
    ranges: Literal["learned", "fixed"] = "learned"
    truth: Literal["model", "photos"] = "model"


TRAINING: dict[str, Any] = {"optimizer": "muon", "rate": 1e-3, "precision": "float32"}
"""Settings of the training where none are given, for it goes on from a good model.

What plain-m4c16 in `arm` loses on Set5 (0.173 dB before): 0.085 after 1500 steps so; compared with photos 0.090 after 1000, 2000 and
3000 alike, at rates of 1e-3 and 2e-3, with Adam about as much; by the squared error 0.11 and more.
"""

STEPS = 2000
"""How long it is when no length is given."""
