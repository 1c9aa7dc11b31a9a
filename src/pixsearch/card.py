"""The card a model file carries: what it is, where it comes from and how it may be fed; the same in safetensors and ONNX."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pixsearch.errors import DataError
from pixsearch.signature import Signature

KEY = "pixsearch"

IOS = ("float", "uint8-nhwc")
"""What an exported file can take and give; `ModelCard` says what each means."""


STATISTICS = "statistics"
"""The tensor of an exported file that holds the means over the picture which its coefficients are predicted from, (1, C)."""

DYNAMICS = ("", "kernel", "feature", "static")
"""The forms that kernels which adapt to the picture are exported in; `ModelCard` says what each means."""


@dataclass(frozen=True)
class ModelCard:
    """All that is said about a model beside its weights.

    `name` is what tables show (`3fa9c2d1`, `fsrcnn`); `stage` what was done (`trained`, `pruned`, `qat`, `pruned qat`);
    `precision` `float`, `fp16`, `int8`, `a16w8` or `mixed` (a format for each layer, in `calibration`). `genotype` is the architecture's
    JSON with its `space`. `multiple`: input height and width must be multiples of it (inference pads and crops).
    `receptive_radius`: input pixels around a pixel that its output
    depends on, so tiles that overlap by as much are exact. `macs_720p` counts multiply-adds for a 1280×720 output. `training` and
    `calibration` are the records of how the weights and the quantization came to be; a model that was trained for int8 has its
    scheme and ranges in `calibration`. Of an exported file, `io` is what it takes and gives: `float` planes (N, C, H, W), or
    `uint8-nhwc` samples (N, H, W, C), 255 for a port's upper end; `shape` is the one (height, width) it takes, None for any.
    `dynamic` is the form of its dynamic layers: `kernel` computes one kernel for each picture, `feature` runs all experts and blends
    what they give, and `static` has coefficients fixed to their mean; empty for a network without such layers. In the first two
    every pixel depends on the whole picture, through the tensor `STATISTICS` alone.
    """

    name: str
    stage: str
    precision: str
    signature: Signature
    genotype: dict[str, Any]
    multiple: int
    receptive_radius: int
    macs_720p: float
    params: int
    training: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    io: str = IOS[0]
    shape: tuple[int, int] | None = None
    dynamic: str = ""

    def _check(self) -> None:
        """Refuse values that nothing downstream could work with; raises ValueError."""
        for name, least in (("multiple", 1), ("receptive_radius", 0), ("macs_720p", 0), ("params", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
                raise ValueError(f"`{name}` is {value!r}")
        for name, kind in (
            ("name", str),
            ("stage", str),
            ("precision", str),
            ("genotype", dict),
            ("training", dict),
            ("calibration", dict),
        ):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"`{name}` is {getattr(self, name)!r}")
        if self.io not in IOS:
            raise ValueError(f"`io` is {self.io!r}")
        if self.dynamic not in DYNAMICS:
            raise ValueError(f"`dynamic` is {self.dynamic!r}")
        if self.shape is not None and not (len(self.shape) == 2 and all(type(side) is int and side > 0 for side in self.shape)):
            raise ValueError(f"`shape` is {self.shape!r}")

    @property
    def label(self) -> str:
        """What a table calls this model: `3fa9c2d1 float`, `3fa9c2d1 pruned`, `3fa9c2d1 pruned qat int8 360x640`."""
        plain = self.precision == "float" and self.later_stages
        return " ".join([self.name, *self.later_stages, *([] if plain else [self.precision]), *self.form])

    @property
    def form(self) -> list[str]:
        """What sets an exported file apart from the plain one of its precision: `feature`, `uint8-nhwc`, `360x640` (height first)."""
        dynamic = [] if self.dynamic in DYNAMICS[:2] else [self.dynamic]
        shape = [] if self.shape is None else [f"{self.shape[0]}x{self.shape[1]}"]
        return [*dynamic, *([] if self.io == IOS[0] else [self.io]), *shape]

    @property
    def sees_whole(self) -> bool:
        """Whether every pixel of its output depends on the whole picture."""
        return self.dynamic in ("kernel", "feature")

    @property
    def later_stages(self) -> list[str]:
        """What was done after the training: `pruned`, `qat`."""
        return [word for word in self.stage.split() if word != "trained"]

    def with_(self, **changes: Any) -> ModelCard:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def dumps(self) -> str:
        """JSON text, for a metadata value."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def loads(cls, text: str, source: str) -> ModelCard:
        """The card in `text`; `DataError` naming `source` when it is not one."""
        try:
            data = json.loads(text)
            signature = Signature.from_json(data["signature"])
            shape = None if data.get("shape") is None else tuple(data["shape"])
            card = cls(**{**data, "signature": signature, "shape": shape})
            card._check()
            return card
        except (ValueError, KeyError, TypeError, DataError) as error:
            raise DataError(f"`{source}` carries no readable pixsearch card ({error}). Train or export it again.") from error
