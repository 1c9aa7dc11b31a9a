"""The model file: safetensors with the card in its metadata, whole or absent, and never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from pixsearch.card import KEY, ModelCard
from pixsearch.errors import DataError, PixsearchError
from pixsearch.nn.build import Network, build, deploy
from pixsearch.nn.dynamic import predictors
from pixsearch.registry import SPACES
from pixsearch.rundir import write_atomic
from pixsearch.space.base import read_genotype

FORM = "branches"
FORMS = ("none", "linear", "ecb")


def make_card(network: Network, *, name: str, stage: str, training: dict[str, Any] | None = None) -> ModelCard:
    """The card of a float network, with the costs of its deploy form out of its space."""
    space, genotype = SPACES.load(network.genotype.space)(network.signature), network.genotype
    return ModelCard(
        name=name,
        stage=stage,
        precision="float",
        signature=network.signature,
        genotype=genotype.to_json(),
        multiple=space.multiple(genotype),
        receptive_radius=space.receptive_radius(genotype),
        macs_720p=space.macs_720p(genotype),
        params=space.params(genotype),
        training=training or {},
        dynamic="kernel" if predictors(network) else "",
    )


def save_model(path: Path, network: Network, card: ModelCard) -> None:
    """Write the network as it is (in its training form if it has branches) with its card; the file is whole or absent."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_atomic(path, safetensors.torch.save(tensors, {KEY: card.dumps(), FORM: network.branches}))


def load_model(path: Path) -> tuple[Network, ModelCard]:
    """The network in the form it was saved in, on the CPU, and its card; `DataError` for anything but a whole model file."""
    metadata, tensors = _read(path)
    if KEY not in metadata:
        raise DataError(f"`{path}` carries no pixsearch card, so its architecture is unknown. Take a file that `pixsearch train` wrote.")
    card = ModelCard.loads(metadata[KEY], str(path))
    form = metadata.get(FORM, "none")
    if form not in FORMS:
        raise DataError(f"`{path}` was trained in the form `{form}`, which this version does not know. Known: {', '.join(FORMS)}.")
    network = _blank(path, card, form)
    _check_tensors(path, network, tensors)
    network.load_state_dict(tensors)
    return network.eval(), card


def load_deployed(path: Path) -> tuple[Network, ModelCard]:
    """Like `load_model`, with branches merged."""
    network, card = load_model(path)
    return deploy(network), card


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no model `{path}`. Check the path, or train one first.") from None
    except OSError as error:
        raise DataError(f"`{path}` cannot be read ({error.strerror}). Check the path and its permissions.") from None
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        return json.loads(data[8 : 8 + length]).get("__metadata__", {}), tensors
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"`{path}` is no whole safetensors file ({error}). Restore it, or train it again.") from None


def _blank(path: Path, card: ModelCard, form: Any) -> Network:
    try:
        _, genotype = read_genotype(card.genotype, card.signature)
    except PixsearchError as error:
        raise DataError(f"`{path}` holds an architecture that cannot be built: {error}") from error
    return build(genotype, card.signature, branches=form)


def _check_tensors(path: Path, network: Network, tensors: dict[str, Tensor]) -> None:
    expected = {name: (tuple(value.shape), value.dtype) for name, value in network.state_dict().items()}
    found = {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}
    for name in sorted(expected.keys() ^ found.keys()):
        state = "lacks" if name in expected else "has an unknown"
        raise DataError(f"`{path}` {state} tensor `{name}`: its weights do not fit its architecture. Restore it, or train it again.")
    for name, (shape, kind) in expected.items():
        if found[name] != (shape, kind):
            raise DataError(
                f"`{path}` holds `{name}` as {found[name][1]} {found[name][0]}, but its architecture needs {kind} {shape}. "
                "Restore it, or train it again."
            )
