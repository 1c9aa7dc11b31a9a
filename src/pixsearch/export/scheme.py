"""Quantization schemes: what an int8 model is made for, and so how its numbers are stored; told once for training and for export.

`pixsearch export --for NAME` and `pixsearch train --qat NAME` take the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pixsearch.card import ModelCard
from pixsearch.errors import UsageError
from pixsearch.registry import SCHEMES

DEFAULT = "arm"


@dataclass(frozen=True)
class Scheme:
    """8 bits a weight, `activation_bits` an activation, affine: value = step · (level − zero). Zero is a level always, which padding needs.

    `signed_activations` and `signed_weights` say whether levels are int8 or uint8. Signed weights are symmetric
    (−127…127, zero at 0), unsigned ones affine (0…255). `per_channel` gives each output channel of a kernel a step of its
    own. Biases are int32 in steps of input · weight. `name` says what for; schemes of another name may store alike.
    """

    name: str
    signed_activations: bool
    signed_weights: bool
    per_channel: bool
    activation_bits: int = 8

    @property
    def levels(self) -> tuple[int, int]:
        """The lowest and the highest level of an activation."""
        half: int = 2 ** (self.activation_bits - 1)
        return (-half, half - 1) if self.signed_activations else (0, 2 * half - 1)

    @property
    def steps(self) -> int:
        """The steps that an activation's range is cut into."""
        low, high = self.levels
        return high - low

    def stores_like(self, other: Scheme) -> bool:
        """Whether both store numbers alike, whatever they are for."""
        return replace(self, name=other.name) == other

    @property
    def format(self) -> str:
        """`S8S8 QDQ, per channel`: activations, then weights."""
        sides = ((self.signed_activations, self.activation_bits), (self.signed_weights, 8))
        kinds = "".join(f"{'S' if signed else 'U'}{bits}" for signed, bits in sides)
        return f"{kinds} QDQ, per {'channel' if self.per_channel else 'tensor'}"


PORTABLE = Scheme("portable", signed_activations=False, signed_weights=False, per_channel=False)
"""What every runtime takes (ONNX Runtime's CPU kernels, XNNPACK, NNAPI), with the same bits on x86 and ARM."""

ARM = Scheme("arm", signed_activations=True, signed_weights=True, per_channel=True)
"""What ONNX Runtime's kernels for 64-bit ARM are fastest in."""

NNAPI = Scheme("nnapi", signed_activations=False, signed_weights=True, per_channel=True)
"""What Android's NNAPI takes, more accurate than `portable`; XNNPACK does not take it."""

X86 = Scheme("x86", signed_activations=False, signed_weights=True, per_channel=True)
"""What ONNX Runtime's kernels for x86 are fastest in; without VNNI instructions they saturate where others do not."""

A16W8 = Scheme("a16w8", signed_activations=False, signed_weights=True, per_channel=True, activation_bits=16)
"""16-bit activations, for accelerators that have them; ONNX Runtime's CPU kernels compute it in float. Nothing is trained in it."""


def trained_scheme(card: ModelCard) -> str | None:
    """The name of the scheme a float model was trained in, None when it was trained without."""
    return str(card.calibration["scheme"]) if card.precision == "float" and "ranges" in card.calibration else None


def choose_scheme(card: ModelCard, asked: str | None) -> Scheme:
    """The scheme to quantize a model in: the one `asked` for, or else the one it was trained in, or `DEFAULT`.

    `UsageError` when a model that was trained in one scheme is asked for in another that stores numbers otherwise.
    """
    trained = trained_scheme(card)
    scheme: Scheme = SCHEMES.load(asked or trained or DEFAULT)
    if trained is not None and not scheme.stores_like(SCHEMES.load(trained)):
        raise UsageError(
            f"`{card.label}` was trained for int8 in the scheme `{trained}`, so its weights and ranges do not suit `{asked}`. "
            f"Leave it at `{trained}`, or take the model it was made from."
        )
    return scheme
