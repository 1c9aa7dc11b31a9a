"""Small real searches, each in a process of its own, for tests that kill them.

Reads lines `RUN PHOTOS VAL` and perhaps `WORKERS`; for each it forks a process that searches, or goes on where RUN's record
ends, and writes that process's number and, once it has ended, its exit status. What takes seconds to import is imported
once, before.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from pixsearch.data.config import DataConfig
from pixsearch.data.open import open_data
from pixsearch.rundir import Stage
from pixsearch.search.config import SearchConfig
from pixsearch.search.session import search_stage
from pixsearch.tasks.config import TaskConfig


def search(run: Path, photos: Path, val: Path, workers: int | None) -> None:
    task = TaskConfig().make()
    config = SearchConfig(
        evaluations=12,
        population=4,
        offspring=2,
        proxy_steps=20,
        proxy_batch=2,
        proxy_patch=16,
        threads=1,
        workers=workers,
        objectives=("psnr", "macs_720p<=500M"),
    )
    with Stage(run, "search", config, resume=(run / "search" / "events.jsonl").exists()) as stage:
        search_stage(open_data(DataConfig(photos=(photos,), val=(val,)), task, stage.note), task, config, stage)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 0
            try:
                run, photos, val, *workers = line.split()
                search(Path(run), Path(photos), Path(val), int(workers[0]) if workers else None)
            except BaseException:
                traceback.print_exc()
                status = 1
            os._exit(status)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
