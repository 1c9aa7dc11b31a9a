"""The settings that choose a task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pixsearch.config import Config, known_in
from pixsearch.registry import TASKS
from pixsearch.tasks.base import Task


class TaskConfig(Config):
    """Which task, at which scale, on luma (`y`) or all three channels (`rgb`)."""

    name: Annotated[str, known_in(TASKS)] = "sr"
    scale: int = Field(default=2, ge=1, le=4)
    color: Literal["y", "rgb"] = "y"

    def make(self) -> Task:
        """The task itself."""
        task: Task = TASKS.load(self.name)(self.scale, self.color)
        return task
