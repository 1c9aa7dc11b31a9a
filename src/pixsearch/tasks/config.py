"""The settings that choose a task."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from pixsearch.config import Config, known_in, nested
from pixsearch.registry import TASKS
from pixsearch.signature import Color
from pixsearch.tasks.base import Task, make_task


class TaskConfig(Config):
    """Which task, at which scale, on luma (`y`) or all three channels (`rgb`), and its own `settings`.

    What is left out is the task's first scale, its first colour and its defaults. Its own settings may stand beside `name`, too.
    """

    name: Annotated[str, known_in(TASKS)] = "sr"
    scale: int = Field(default=2, ge=1, le=4)
    color: Color = "y"
    settings: dict[str, Any] = Field(default_factory=dict)

    def make(self) -> Task:
        """The task itself."""
        return make_task(self.name, self.scale, self.color, self.settings)

    @model_validator(mode="before")
    @classmethod
    def _as_the_task_has_it(cls, data: Any) -> Any:
        name = data.get("name", "sr") if isinstance(data, dict) else None
        if name not in TASKS.names() or not isinstance(data.get("settings", {}), dict):
            return data
        task: type[Task] = TASKS.load(name)
        own = {key: data[key] for key in task.Settings.model_fields if key in data}
        settings = {**data.get("settings", {}), **own}
        resolved = nested(task.Settings, settings).to_json()
        rest = {key: value for key, value in data.items() if key not in own}
        return {"scale": task.scales[0], "color": task.colors[0], **rest, "settings": resolved}
