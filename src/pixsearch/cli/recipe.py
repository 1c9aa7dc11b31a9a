"""A recipe: the whole chain's settings in one file, with the photos to train on, to select by and to report on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from pixsearch.bench.config import BenchConfig
from pixsearch.config import Config, read_yaml, validate
from pixsearch.export.config import ExportConfig
from pixsearch.prune.config import PruneConfig
from pixsearch.search.config import SearchConfig
from pixsearch.tasks.config import TaskConfig
from pixsearch.train.config import TrainConfig

MEASURED = frozenset({"images", "reduce", "cache", "cache_cap_bytes"})


class PhotoLists(Config):
    """Three disjoint lists of folders or files: to train on, to select by, to report on."""

    train: tuple[Path, ...] = Field(min_length=1)
    select: tuple[Path, ...] = Field(min_length=1)
    report: tuple[Path, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _disjoint(self) -> PhotoLists:
        for one, other in (("train", "select"), ("train", "report"), ("select", "report")):
            shared = set(getattr(self, one)) & set(getattr(self, other))
            if shared:
                names = ", ".join(f"`{path.name}`" for path in sorted(shared))
                raise ValueError(f"{names} stands in both `{one}` and `{other}`; a figure on it would prove nothing")
        return self


class Recipe(Config):
    """Settings of `pixsearch run`; a stage's section holds that stage's own settings.

    `pick` chooses the member to train; `prune` or `int8` may be switched off by leaving `prune` null or `export.int8` false.
    """

    photos: PhotoLists
    reduce: str = "auto"
    task: TaskConfig = TaskConfig()
    search: SearchConfig
    pick: str = "knee"
    train: TrainConfig
    prune: PruneConfig | None = PruneConfig()
    finetune: TrainConfig
    export: ExportConfig = ExportConfig(int8=True)
    bench: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bench_settings(self) -> Recipe:
        taken = MEASURED & set(self.bench)
        if taken:
            raise ValueError(f"`bench.{min(taken)}` follows from the recipe's own `photos` and `reduce`; leave it out")
        validate(BenchConfig, {**self.bench, "images": self.photos.report}, "`bench`")
        return self


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file; relative paths of photos are relative to that file."""
    data = read_yaml(path)
    photos = data.get("photos")
    if isinstance(photos, dict):
        data["photos"] = {name: _beside(path, listed) for name, listed in photos.items()}
    return validate(Recipe, data, f"`{path}`")


def _beside(recipe: Path, listed: Any) -> Any:
    return [str((recipe.parent / str(item)).resolve()) for item in listed] if isinstance(listed, list) else listed
