"""The settings that choose a task."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pixsearch.config import Config
from pixsearch.registry import TASKS, closest
from pixsearch.tasks.base import Task


class TaskConfig(Config):
    """Which task, at which scale, on luma (`y`) or all three channels (`rgb`)."""

    name: str = "sr"
    scale: int = Field(default=2, ge=1, le=4)
    color: Literal["y", "rgb"] = "y"

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in TASKS.names():
            raise ValueError(f"there is no such task.{closest(name, TASKS.names())} Known: {', '.join(TASKS.names())}")
        return name

    def make(self) -> Task:
        """The task itself."""
        task: Task = TASKS.load(self.name)(self.scale, self.color)
        return task
