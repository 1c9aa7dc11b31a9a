"""The channels of chains, of the spaces `mobile` and `video`.

Channels that an inverted bottleneck's residual ties to the network's input stay, and a recurrent network's state is left as wide as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pixsearch.prune.anatomies.layers import HIDDEN, OUT, asked_by, draft_layer, draft_predictor
from pixsearch.prune.anatomy import Anatomy, Draft, Lane, Place
from pixsearch.signature import Signature
from pixsearch.space.chain import MobileGenotype, first_dynamic, input_widths
from pixsearch.space.video import VideoGenotype


def mobile_anatomy(genotype: MobileGenotype, signature: Signature) -> Anatomy:
    """Every layer has widths of its own, but for those that residuals tie."""
    return _draft(genotype, signature).done(partial(narrowed, genotype))


def video_anatomy(genotype: VideoGenotype, signature: Signature) -> Anatomy:
    """That of the chain; `signature` is the network's own border."""
    return _draft(genotype.chain, signature).done(partial(narrowed_video, genotype))


def narrowed(chain: MobileGenotype, widths: Mapping[Place, int]) -> MobileGenotype:
    """The chain with these widths."""
    layers = [
        replace(layer, width=widths[number, OUT], hidden=widths[number, HIDDEN] if layer.op == "ib3" else 0)
        for number, layer in enumerate(chain.layers)
    ]
    return replace(chain, layers=tuple(layers))


def narrowed_video(genotype: VideoGenotype, widths: Mapping[Place, int]) -> VideoGenotype:
    """The genotype with these widths in its chain."""
    return replace(genotype, chain=narrowed(genotype.chain, widths))


def _draft(chain: MobileGenotype, signature: Signature) -> Draft:
    draft, first = Draft(), first_dynamic(chain)
    current = draft.given(input_widths(chain, signature)[0])
    seen: Lane = ()
    asked: Lane = ()
    for number, layer in enumerate(chain.layers):
        before = current
        current = draft_layer(draft, f"layers.{number}", layer, before, (number,))
        seen = before if number == first else seen
        asked += asked_by(layer, before, current)
    draft_predictor(draft, seen, asked)
    draft.conv("tail", current, None)
    draft.tensors["state.weight"] = (None, current)
    return draft
