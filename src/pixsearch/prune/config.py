"""Settings of channel pruning."""

from __future__ import annotations

from pydantic import Field

from pixsearch.config import Config


class PruneConfig(Config):
    """How much of the model to keep.

    `keep_macs` is the share of multiply-adds that may remain, between 0 and 1.
    """

    keep_macs: float = Field(default=0.6, gt=0.0, lt=1.0)
