"""The models of one bench: opened once to see that each is one, that they can be compared, and what to call them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixsearch.card import ModelCard
from pixsearch.errors import DataError, PixsearchError, UsageError
from pixsearch.infer.session import OnnxModel
from pixsearch.tasks.base import Task, task_for

Note = Callable[..., None]


@dataclass(frozen=True)
class Subject:
    """One exported model: its file, what its card says, the digest of its bytes, and its name in tables."""

    path: Path
    card: ModelCard
    digest: str
    file_bytes: int
    label: str

    @property
    def task(self) -> Task:
        """The task it was made for."""
        return task_for(self.card.signature)


def open_subjects(paths: Sequence[Path], note: Note) -> list[Subject]:
    """The models in the files at `paths`, once each, under labels that differ.

    `DataError` naming every file that is no exported model; `UsageError` when the models are for different tasks or scales.
    A file with the very bytes of one before is left out, with a `warning` through `note`.
    """
    if not paths:
        raise UsageError("No model was named. Give ONNX files that `pixsearch export` has written.")
    subjects = _distinct(_opened(paths), note)
    _check_comparable(subjects)
    return _labelled(subjects)


def _opened(paths: Sequence[Path]) -> list[Subject]:
    subjects, faults = [], []
    for path in paths:
        try:
            subjects.append(_open(path))
        except PixsearchError as fault:
            faults.append(str(fault))
    if faults:
        raise DataError("\n".join(faults))
    return subjects


def _open(path: Path) -> Subject:
    card = OnnxModel.open(path).card
    task_for(card.signature)
    return Subject(path, card, digest_of_file(path), path.stat().st_size, card.label)


def digest_of_file(path: Path) -> str:
    """What a record knows the file's bytes by."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _distinct(subjects: list[Subject], note: Note) -> list[Subject]:
    kept: dict[str, Subject] = {}
    for subject in subjects:
        first = kept.setdefault(subject.digest, subject)
        if first is not subject:
            note("warning", text=f"`{subject.path}` is the same file as `{first.path}` and is measured once.")
    return list(kept.values())


def _check_comparable(subjects: list[Subject]) -> None:
    """All must answer the same question: one task, scale and metric."""
    asked = {(s.card.signature.task, s.card.signature.scale, s.task.convention) for s in subjects}
    if len(asked) > 1:
        lines = "\n".join(f"  `{s.path}`: {s.card.signature.task} ×{s.card.signature.scale}" for s in subjects)
        raise UsageError(f"These models do different things and cannot share one table:\n{lines}\nBench each kind by itself.")


def _labelled(subjects: list[Subject]) -> list[Subject]:
    """Labels that differ: those that clash get their file's name added, then their folder's, then a number."""
    taken = {subjects[0].task.baseline_name}
    for widen in (_with_stem, _with_folder, _with_digest):
        counts = Counter(s.label for s in subjects)
        clash = [counts[s.label] > 1 or s.label in taken for s in subjects]
        subjects = [replace(s, label=widen(s)) if c else s for s, c in zip(subjects, clash, strict=True)]
    return subjects


def _with_stem(subject: Subject) -> str:
    return f"{subject.card.label} ({subject.path.stem})"


def _with_folder(subject: Subject) -> str:
    return f"{subject.card.label} ({Path(*subject.path.absolute().parts[-3:]).with_suffix('')})"


def _with_digest(subject: Subject) -> str:
    return f"{subject.label} {subject.digest[:6]}"
