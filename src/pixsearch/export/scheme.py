"""Quantization schemes: how the numbers of an int8 model are stored, told once for training and for export."""

from __future__ import annotations

from dataclasses import dataclass

from pixsearch.card import ModelCard
from pixsearch.errors import UsageError
from pixsearch.registry import SCHEMES

DEFAULT = "arm"


@dataclass(frozen=True)
class Scheme:
    """8 bits a number, affine: value = step · (level − zero). Zero is a level always, which padding needs.

    `signed_activations` and `signed_weights` say whether levels are int8 or uint8. Signed weights are symmetric
    (−127…127, zero at 0), unsigned ones affine (0…255). `per_channel` gives each output channel of a kernel a step of its
    own. Biases are int32 in steps of input · weight.
    """

    name: str
    signed_activations: bool
    signed_weights: bool
    per_channel: bool

    @property
    def levels(self) -> tuple[int, int]:
        """The lowest and the highest level of an activation."""
        return (-128, 127) if self.signed_activations else (0, 255)

    @property
    def format(self) -> str:
        """`S8S8 QDQ, per channel`."""
        kinds = "".join("S8" if signed else "U8" for signed in (self.signed_activations, self.signed_weights))
        return f"{kinds} QDQ, per {'channel' if self.per_channel else 'tensor'}"


ARM = Scheme("arm", signed_activations=True, signed_weights=True, per_channel=True)
"""What 64-bit ARM computes fastest in, and the most accurate."""

PORTABLE = Scheme("portable", signed_activations=False, signed_weights=False, per_channel=False)
"""What every runtime takes: ONNX Runtime's CPU kernels, XNNPACK and NNAPI."""


def trained_scheme(card: ModelCard) -> str | None:
    """The name of the scheme a float model was trained in, None when it was trained without."""
    return str(card.calibration["scheme"]) if card.precision == "float" and "ranges" in card.calibration else None


def choose_scheme(card: ModelCard, asked: str | None) -> Scheme:
    """The scheme to quantize a model in: the one it was trained in, the one `asked` for, or `DEFAULT`.

    `UsageError` when a model that was trained in one scheme is asked for in another.
    """
    trained = trained_scheme(card)
    if trained is not None and asked not in (None, trained):
        raise UsageError(
            f"`{card.label}` was trained for int8 in the scheme `{trained}`, so its weights and ranges do not suit `{asked}`. "
            f"Leave it at `{trained}`, or take the model it was made from."
        )
    scheme: Scheme = SCHEMES.load(trained or asked or DEFAULT)
    return scheme
