"""What crosses a model's border: named planes with their channels and ranges, and the scale between input and output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pixsearch.errors import DataError

Color = Literal["y", "rgb"]


@dataclass(frozen=True)
class Port:
    """One named array of shape (N, channels, H, W), float32, with values from `low` to `high`, but for noise, which may lie beyond."""

    name: str
    channels: int
    low: float = 0.0
    high: float = 1.0


NEXT = "next_"
"""What stands before the name of a state where an exported graph gives it for the next frame."""


@dataclass(frozen=True)
class Signature:
    """The border of a model: task, scale (output side / input side), colour, ports.

    `color` is `y` (luma, chroma is the caller's business) or `rgb`. `state` names arrays that a streaming model takes from the
    frame before and gives anew for the next one, at the input's size divided by the card's `multiple`; a first frame is given zeros.
    `settings` are what else the task was made with, as plain values.
    """

    task: str
    scale: int
    color: Color
    inputs: tuple[Port, ...]
    output: Port
    state: tuple[Port, ...] = field(default=())
    settings: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def in_channels(self) -> int:
        """Channels over all inputs."""
        return sum(port.channels for port in self.inputs)

    @property
    def state_channels(self) -> int:
        """Channels over all arrays of state."""
        return sum(port.channels for port in self.state)

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.output.channels

    def to_json(self) -> dict[str, Any]:
        """Plain values, for metadata and records."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Signature:
        """The signature that `to_json` wrote; `DataError` when a field is missing or strange."""
        try:
            return cls(
                task=data["task"],
                scale=data["scale"],
                color=data["color"],
                inputs=tuple(Port(**port) for port in data["inputs"]),
                output=Port(**data["output"]),
                state=tuple(Port(**port) for port in data["state"]),
                settings=dict(data.get("settings", {})),
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"A model's signature cannot be read ({error}). The file was not written by pixsearch or is damaged."
            ) from error
