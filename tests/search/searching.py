"""A small real search as a process of its own, for tests that kill it: `python searching.py RUN PHOTOS VAL`, again to go on."""

from __future__ import annotations

import sys
from pathlib import Path

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.rundir import Stage
from pixsearch.search.config import SearchConfig
from pixsearch.search.session import search_stage
from pixsearch.tasks.config import TaskConfig


def main(run: Path, photos: Path, val: Path) -> None:
    task = TaskConfig().make()
    config = SearchConfig(
        evaluations=12,
        population=4,
        offspring=2,
        proxy_steps=8,
        proxy_batch=2,
        proxy_patch=16,
        threads=1,
        objectives=("psnr", "macs_720p<=500M"),
    )
    with Stage(run, "search", config, resume=(run / "search" / "events.jsonl").exists()) as stage:
        search_stage(open_data(DataConfig(photos=(photos,), val=(val,)), task, stage.note), task, config, stage)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
