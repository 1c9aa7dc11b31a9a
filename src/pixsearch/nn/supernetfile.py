"""The file of shared weights that a search leaves behind, from which any member can inherit; safetensors, never a pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
from torch import Tensor

from pixsearch.errors import DataError, UsageError
from pixsearch.nn.body import Body
from pixsearch.nn.build import Network, deploy
from pixsearch.nn.readout import refit
from pixsearch.nn.reparam import Branches
from pixsearch.nn.supernet import Supernet
from pixsearch.registry import SPACES
from pixsearch.rundir import write_atomic
from pixsearch.signature import Signature
from pixsearch.space.base import Space

KEY = "supernet"
SIGHT = "sight/input", "sight/truth"

Sight = tuple[Tensor, Tensor]
"""Planes of inputs (N, C, H, W) and truths (N, O, H·scale, W·scale)."""


def save_supernet(path: Path, supernet: Supernet, weights: dict[str, Tensor], sight: Sight, version: str) -> None:
    """Write `weights`, which have the names and shapes of the supernet's own, and the planes that tails are fitted on.

    The file is whole or absent.
    """
    about = {
        "space": supernet.banks.space.name,
        "signature": supernet.signature.to_json(),
        "branches": supernet.branches,
        "limits": asdict(supernet.banks.space.limits),
        "version": version,
    }
    everything = {**weights, **dict(zip(SIGHT, sight, strict=True))}
    tensors = {name: value.detach().cpu().contiguous() for name, value in everything.items()}
    write_atomic(path, safetensors.torch.save(tensors, {KEY: json.dumps(about)}))


def load_supernet(path: Path) -> tuple[Supernet, Sight, str]:
    """The supernet, what tails are fitted on and the version of its weights (`supernet-v12`).

    `DataError` for anything but a whole file of shared weights.
    """
    try:
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        about: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
        supernet = Supernet(_space(about), branches=about["branches"])
        sight = tensors.pop(SIGHT[0]), tensors.pop(SIGHT[1])
    except OSError as error:
        raise DataError(f"`{path}` cannot be read ({error.strerror}). Restore it, or train with `--from-scratch`.") from error
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"`{path}` holds no shared weights ({error}). Restore it, or train with `--from-scratch`.") from error
    expected = {name: value.shape for name, value in supernet.weights.items()}
    if expected != {name: value.shape for name, value in tensors.items()}:
        raise DataError(f"`{path}` holds weights of another supernet. Search anew, or train with `--from-scratch`.")
    supernet.weights = tensors
    return supernet, sight, str(about["version"])


def _space(about: dict[str, Any]) -> Space[Any]:
    """The space as it was searched: limits belong to its class."""
    kind = SPACES.load(about.get("space", "mobile"))
    limits = type(kind.limits)(**{name: tuple(values) for name, values in about["limits"].items()})
    searched: Space[Any] = type(kind.__name__, (kind,), {"limits": limits})(Signature.from_json(about["signature"]))
    return searched


def inherited(path: Path, genotype: Any, branches: Branches) -> tuple[Network, str]:
    """The network of `genotype` with its shared layers and the best tail for them, to be trained in the form `branches`; the version."""
    supernet, sight, version = load_supernet(path)
    network = supernet.inherit(genotype)
    refit(cast(Body, network.body), *sight)
    if branches == supernet.branches:
        return network, version
    if branches == "none":
        return deploy(network), version
    raise UsageError(
        f"The weights in `{path}` were trained with branches `{supernet.branches}`, which those of `{branches}` cannot be had from. "
        f"Train with `--branches {supernet.branches}`, or with `--from-scratch`."
    )
