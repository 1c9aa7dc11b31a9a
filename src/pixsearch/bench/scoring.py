"""Score the baseline and all models of a bench on the same whole pictures, and cut the crops while each output is there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pixsearch.bench.accuracy import Accuracy, Look, Method, Pairs, model_method, on_inputs, score
from pixsearch.bench.config import BenchConfig
from pixsearch.bench.crops import Box, CropBook, choose, worst_boxes
from pixsearch.bench.past import BASELINE, Past
from pixsearch.bench.subjects import Subject
from pixsearch.data.cache import PairCache
from pixsearch.errors import DataError
from pixsearch.events import Event
from pixsearch.infer.session import OnnxModel
from pixsearch.interrupt import check_stop
from pixsearch.tasks.base import Pair, Planes, Task

Note = Callable[..., Any]
HALF_A_LEVEL = 0.5 / 255  # an output this near everywhere is the truth once it is rounded


@dataclass(frozen=True)
class Scored:
    """The `measured` events of the baseline and of every model, by digest, and the boxes their crops show."""

    events: dict[str, Event]
    boxes: list[Box]

    def accuracies(self) -> dict[str, Accuracy]:
        """Scores by digest."""
        return {digest: Accuracy.from_json(event) for digest, event in self.events.items()}

    def crops(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """The crops as bench.json lists them; `labels` by digest, the baseline's first."""
        return [self._crop(number, box, labels) for number, box in enumerate(self.boxes)]

    def _crop(self, number: int, box: Box, labels: Mapping[str, str]) -> dict[str, Any]:
        files = {digest: event["crops"][str(number)] for digest, event in self.events.items()}
        _, shown, truth = files[BASELINE]
        outputs = {labels[digest]: names[0] for digest, names in files.items()}
        return {"picture": box.picture, "box": box.corners, "input": shown, "truth": truth, "outputs": outputs}


def score_all(subjects: list[Subject], cache: PairCache, config: BenchConfig, past: Past, note: Note, how_to_go_on: str) -> Scored:
    """Every method on every picture of `cache`; what `past` knows is not scored again, the rest is noted as `measured`.

    A picture that the baseline reproduces exactly (a flat one) says nothing about methods and is left out, with a `warning`.
    """
    pictures = digest_of(cache)
    baseline = past.accuracy(BASELINE, pictures) or score_baseline(subjects[0].task, cache, pictures, config, past, note)
    boxes = [Box(**box) for box in baseline["boxes"]]
    pairs = Pairs(cache, without=baseline["exact"])
    events = {BASELINE: baseline}
    for name, method in subjects[0].task.other_baselines.items():
        check_stop(how_to_go_on)
        known, book = past.accuracy(digest_of_baseline(name), pictures), CropBook(past.folder / "crops", boxes)
        events[digest_of_baseline(name)] = known or score_method(
            on_inputs(method), name, digest_of_baseline(name), subjects[0].task, pairs, pictures, book, note
        )
    for subject in subjects:
        check_stop(how_to_go_on)
        known = past.accuracy(subject.digest, pictures)
        events[subject.digest] = known or score_model(subject, pairs, pictures, config, CropBook(past.folder / "crops", boxes), note)
    return Scored(events, boxes)


def score_baseline(task: Task, cache: PairCache, pictures: str, config: BenchConfig, past: Past, note: Note) -> Event:
    """Scores of the trivial method, the boxes where it errs most, and its crops there beside the input's and the truth's."""
    boxes: list[Box] = []
    exact: list[str] = []

    def look(name: str, pair: Pair, output: Planes) -> None:
        truth = task.encode_truth(pair.truth)
        if np.abs(output - truth).max() < HALF_A_LEVEL:
            exact.append(name)
        else:
            boxes.extend(worst_boxes(name, output, truth, config.crop_side, task.scale))

    everything = score(on_inputs(task.baseline), task, Pairs(cache), look)
    accuracy = _without(everything, exact, task, note)
    book = CropBook(past.folder / "crops", choose(boxes, config.crops))
    event: Event = note(
        "measured",
        label=task.baseline_name,
        digest=BASELINE,
        pictures_digest=pictures,
        **accuracy.to_json(),
        exact=exact,
        boxes=[asdict(box) for box in book.boxes],
        crops=_baseline_crops(task, book, cache),
    )
    return event


def _without(accuracy: Accuracy, exact: list[str], task: Task, note: Note) -> Accuracy:
    rest = Accuracy({name: scores for name, scores in accuracy.pictures.items() if name not in exact})
    if exact:
        names = ", ".join(f"`{name}`" for name in exact)
        said = f"{task.baseline_name} reproduces {names} exactly, so no method can be told from another there"
        if not rest.pictures:
            raise DataError(f"{said}, and there are no other pictures. Give photos with detail.")
        note("warning", text=f"{said}; left out of all scores.")
    return rest


def _baseline_crops(task: Task, book: CropBook, cache: PairCache) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    pairs = Pairs(cache)
    for name in dict.fromkeys(box.picture for box in book.boxes):
        pair = pairs[name]
        sides = book.add_sides(name, pair, task)
        for number, file in book.add(slug(task.baseline_name), task, name, pair, task.baseline(pair.inputs)).items():
            files[str(number)] = [file, *sides[number]]
    return files


def score_model(subject: Subject, pairs: Pairs, pictures: str, config: BenchConfig, book: CropBook, note: Note) -> Event:
    """Scores of one model on whole pictures, and its crops."""
    # Saturating 8-bit products are a fault of some x86 processors, not of the model: they do not count against it.
    method = model_method(OnnxModel.open(subject.path, threads=max(config.threads), precise_int8=True), subject.task)
    return score_method(method, subject.label, subject.digest, subject.task, pairs, pictures, book, note)


def score_method(method: Method, label: str, digest: str, task: Task, pairs: Pairs, pictures: str, book: CropBook, note: Note) -> Event:
    """Scores of any method on whole pictures, and its crops."""
    crops: dict[str, list[str]] = {}
    name_of_files = slug(label) if digest.startswith(BASELINE) else f"{slug(label)}-{digest[:6]}"

    def look(name: str, pair: Pair, output: Planes) -> None:
        crops.update({str(number): [file] for number, file in book.add(name_of_files, task, name, pair, output).items()})

    looking: Look = look
    accuracy = score(method, task, pairs, looking)
    event: Event = note("measured", label=label, digest=digest, pictures_digest=pictures, **accuracy.to_json(), crops=crops)
    return event


def digest_of_baseline(name: str) -> str:
    """What stands for a file's digest where a further method without a network is meant."""
    return f"{BASELINE} {slug(name)}"


def digest_of(cache: PairCache) -> str:
    """A digest of the names and all pixels, inputs and truths."""
    whole = hashlib.blake2b(digest_size=8)
    for name, pair in Pairs(cache).items():
        whole.update(name.encode())
        for picture in (*pair.inputs.values(), pair.truth):
            whole.update(repr(picture.shape).encode())
            whole.update(picture.tobytes())
    return whole.hexdigest()


def slug(label: str) -> str:
    """`label` as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "model"
