"""One candidate tried, in whatever process: its score, or its failure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from pixsearch.errors import Interrupted
from pixsearch.search.evaluators.base import Evaluator
from pixsearch.search.scored import Fidelity, Scored


@dataclass(frozen=True)
class Job:
    """A candidate to be evaluated at a fidelity, with what was measured of it before: figures, and the time they took."""

    genotype: Any
    fidelity: Fidelity
    measured: Scored


def evaluate(job: Job, evaluator: Evaluator) -> Scored:
    """The candidate's score or failure, the time its measuring took included."""
    scored = attempt(lambda genotype: evaluator.evaluate(genotype, job.fidelity, job.measured.figures), job.genotype, job.fidelity)
    return replace(scored, seconds=job.measured.seconds + scored.seconds, cpu_s=job.measured.cpu_s + scored.cpu_s)


def attempt(work: Callable[[Any], Scored], genotype: Any, fidelity: Fidelity) -> Scored:
    """What `work(genotype)` gives, or the candidate's failure: whatever it raises, lack of memory included, ends it alone."""
    began, cpu = time.perf_counter(), _cpu_seconds()
    try:
        scored = _checked(work(genotype))
    except Interrupted:
        raise
    except Exception as error:
        scored = Scored(genotype, error=f"{type(error).__name__}: {error}")
    return replace(scored, fidelity=fidelity.name, seconds=time.perf_counter() - began, cpu_s=_cpu_seconds() - cpu)


def _checked(scored: Scored) -> Scored:
    strange = {name: value for name, value in scored.figures.items() if not isfinite(value)}
    if strange:
        raise ArithmeticError(f"Training diverged: {', '.join(f'{name} is {value}' for name, value in strange.items())}.")
    return scored


def _cpu_seconds() -> float:
    """Processor time of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
