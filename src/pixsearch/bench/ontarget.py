"""A model's own output on the target: its score there, and how far it is from the same file's output here and from the float model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from pixsearch.bench.accuracy import BEST_DB, Pairs
from pixsearch.bench.config import BenchConfig
from pixsearch.bench.past import Past
from pixsearch.bench.rows import Row, float_sibling
from pixsearch.bench.scoring import digest_of
from pixsearch.bench.subjects import Subject
from pixsearch.bench.targets.base import Prepared, Repeat, Target
from pixsearch.bench.timing import Note
from pixsearch.data.cache import PairCache
from pixsearch.infer.ports import Samples, State, empty_state, from_output, padded, to_feed
from pixsearch.infer.session import OnnxModel
from pixsearch.interrupt import check_stop
from pixsearch.signature import NEXT
from pixsearch.tasks.base import Pair, Planes, Scores

ONCE = Repeat(warmup=0, count=1)
FAR = 4  # levels from which on differences are counted together


def compare_all(
    subjects: list[Subject], target: Target, cache: PairCache, config: BenchConfig, past: Past, note: Note, how_to_go_on: str
) -> dict[str, Row]:
    """For each model, by digest, its output on the target for cuts out of the first pictures; what `past` knows is not run again."""
    found: dict[str, Row] = {}
    pairs, pictures = Pairs(cache), digest_of(cache)
    chosen = {name: middle(pairs[name], config.target_side, subjects) for name in islice(pairs, config.target_pictures)}
    for subject in subjects if chosen else []:
        check_stop(how_to_go_on)
        known = past.on_target(subject.digest, pictures, target.label, len(chosen), config.target_side)
        found[subject.digest] = known or compare(subject, float_sibling(subject, subjects), target, chosen, config.target_side)
        if not known:
            told = {"label": subject.label, "digest": subject.digest, "pictures_digest": pictures, "target": target.label}
            note("on-target", **told, on_target=found[subject.digest])
    return found


def compare(subject: Subject, sibling: Subject | None, target: Target, pairs: Mapping[str, Pair], side: int) -> Row:
    """Mean PSNR (dB) and SSIM of the target's output, the PSNR of the same file here, and shares of samples by levels of difference.

    Here means ONNX Runtime on this machine with 8-bit products that do not saturate. `from_float` is against the float
    model's output here, None where it is not among the models.
    """
    here = OnnxModel.open(subject.path, precise_int8=True)
    exact = OnnxModel.open(sibling.path) if sibling else None
    task, scores, here_scores = subject.task, [], []
    off_here, off_float = [], []
    state: State | None = None
    with target.prepare(subject.path, 1) as prepared:
        for pair in pairs.values():
            inputs = {port.name: task.encode(port.name, pair.inputs[port.name]) for port in task.signature.inputs}
            state = state if pair.follows else None
            output, following = on_target(prepared, here, inputs, state)
            wanted, _ = here.step(inputs, state)
            scores.append(task.score(output, pair.truth))
            here_scores.append(task.score(wanted, pair.truth))
            off_here.append(levels_apart(output, wanted))
            off_float += [levels_apart(output, exact.step(inputs, state)[0])] if exact else []
            state = following
    return {
        "pictures": len(pairs),
        "side": side,
        "psnr_db": mean_psnr_db(scores),
        "ssim": float(np.mean([score.ssim for score in scores])),
        "here_psnr_db": mean_psnr_db(here_scores),
        "from_here": histogram(off_here),
        "from_float": histogram(off_float) if off_float else None,
    }


def mean_psnr_db(scores: list[Scores]) -> float:
    """As everywhere, an exact picture counts as 100 dB."""
    return float(np.mean([min(score.psnr_db, BEST_DB) for score in scores]))


def on_target(prepared: Prepared, model: OnnxModel, inputs: Mapping[str, Planes], state: State | None) -> tuple[Planes, State]:
    """The output (C, H, W) that the target gives for `inputs` (C, h, w), padded and cut as inference does it, and the next state."""
    card, signature = model.card, model.card.signature
    sides = next(iter(inputs.values())).shape[-2:]
    height, width = (side * signature.scale for side in sides)
    feeds: dict[str, Samples] = {port.name: to_feed(card, port, padded(card, inputs[port.name])[np.newaxis]) for port in signature.inputs}
    feeds |= empty_state(card, *sides) if state is None else state
    given = prepared.run(feeds, ONCE, want_outputs=True).outputs
    cropped: Planes = from_output(card, given[signature.output.name])[0][:, :height, :width]
    return cropped, {port.name: given[f"{NEXT}{port.name}"] for port in signature.state}


def levels_apart(output: Planes, wanted: Planes) -> npt.NDArray[np.int64]:
    """By how many of 255 levels each sample differs once both are clipped and rounded."""
    first, second = (np.floor(np.clip(planes, 0, 1) * 255 + 0.5).astype(np.int64) for planes in (output, wanted))
    apart: npt.NDArray[np.int64] = np.abs(first - second).ravel()
    return apart


def histogram(apart: list[npt.NDArray[np.int64]]) -> dict[str, float]:
    """Shares of samples by levels of difference: `0`, `1` … and `4+`."""
    values = np.minimum(np.concatenate(apart), FAR)
    counts = np.bincount(values, minlength=FAR + 1) / len(values)
    return {f"{level}+" if level == FAR else str(level): float(share) for level, share in enumerate(counts)}


def middle(pair: Pair, side: int, subjects: Sequence[Subject]) -> Pair:
    """The middle of `pair`, at most `side` output pixels high and wide and no larger than any model takes, inputs and truth alike."""
    scale = subjects[0].task.scale
    shapes = [subject.card.shape for subject in subjects if subject.card.shape is not None]
    most = tuple(min([side // scale, *taken]) for taken in zip(*shapes, strict=True)) or (side // scale,) * 2
    first = next(iter(pair.inputs.values()))
    top, left = (max(0, extent - kept) // 2 for extent, kept in zip(first.shape[:2], most, strict=True))
    inputs = {name: np.ascontiguousarray(picture[top : top + most[0], left : left + most[1]]) for name, picture in pair.inputs.items()}
    height, width = (extent * scale for extent in next(iter(inputs.values())).shape[:2])
    truth = np.ascontiguousarray(pair.truth[top * scale : top * scale + height, left * scale : left * scale + width])
    return Pair(inputs, truth, pair.follows)
