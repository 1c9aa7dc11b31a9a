"""Settings of export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from pixsearch.config import LISTED, Config, as_fault, known_in
from pixsearch.export.providers.rules import LEVEL
from pixsearch.registry import SCHEMES
from pixsearch.units import parse_shape


class ExportConfig(Config):
    """What is written beside the float models, what for, and what it may cost.

    `fp16`, `int8` and `a16w8` (8-bit weights, 16-bit activations) are precisions to write as well, and `mixed`, a format for each layer;
    `int8_of` says of which of several models. `scheme` says what int8 is made for; left out, what the model was trained for, or `arm`.
    `io` is what all files take and give: `float` planes, or `uint8-nhwc` camera buffers. For each of `shapes` (`360x640`: height and
    width of the input, in the order of a tensor's axes) a file that takes this one alone is written beside the one for any size.

    `dynamic` is the form of kernels that adapt to the picture: `kernel` computes them once a picture; `feature` runs every expert and
    blends what they give, for runtimes that want constant kernels, at as many times the cost; `static` fixes coefficients to their mean
    over the photos of `calibrate`. It changes nothing in a network without such kernels.

    `check` judges every file node by node for the providers of phones, NNAPI at the feature level `nnapi_level`.

    `calibrate` holds photos (folders or files) from which the ranges of int8 are taken; a share of them, whole groups of
    near-duplicates, is held out to measure the loss. `gate_db` is the largest loss of PSNR against the float model that is let
    through. `reduce` says by how much camera JPEGs are reduced before they count as clean, `cache` where decoded photos are kept.
    """

    int8: bool = False
    fp16: bool = False
    a16w8: bool = False
    mixed: bool = False
    scheme: Annotated[str, known_in(SCHEMES)] | None = None
    int8_of: Literal["last", "all"] = "last"
    io: Literal["float", "uint8-nhwc"] = "float"
    shapes: Annotated[tuple[str, ...], LISTED] = ()
    dynamic: Literal["kernel", "feature", "static"] = "kernel"
    check: bool = False
    nnapi_level: int = Field(default=LEVEL, ge=27, le=1_000_008)
    calibrate: tuple[Path, ...] = ()
    gate_db: float = Field(default=0.15, gt=0.0)
    seed: int = 0
    reduce: Literal["auto", "1", "2", "4"] = "auto"
    cache: Path | None = None

    @field_validator("shapes")
    @classmethod
    def _sized(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys("{}x{}".format(*as_fault(parse_shape, text)) for text in value))

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that are written beside float."""
        return tuple(name for name in ("fp16", "int8", "a16w8", "mixed") if getattr(self, name))

    @property
    def measures(self) -> bool:
        """Whether photos are needed to take ranges from and to measure a loss on."""
        return self.int8 or self.a16w8 or self.mixed or self.dynamic == "static"

    may_change: ClassVar[frozenset[str]] = frozenset({"cache"})
