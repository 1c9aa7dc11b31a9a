"""What export and bench recorded: files that agree with their models, accuracy and latency side by side, crops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixsearch.errors import DataError
from pixsearch.report.stage import StageRecord, mapping, task_words, understood


@dataclass(frozen=True)
class Exported:
    """One exported file: `max_abs_error` against PyTorch for float, `loss_db` against float for int8, at these input sizes."""

    label: str
    file: str
    precision: str
    bytes: float | None
    opset: int | None
    max_abs_error: float | None
    loss_db: float | None
    format: str | None
    sizes: tuple[str, ...]


@dataclass(frozen=True)
class Latency:
    """Milliseconds a frame with this many threads: clocked (`median_ms`, percentiles) or computed (`modelled_ms`), never both."""

    threads: int
    median_ms: float | None
    modelled_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    min_ms: float | None
    variation: float | None
    repeats: int | None
    gmacs_per_s: float | None

    @property
    def time_ms(self) -> float:
        """The one that there is. Only for records whose target is named beside it."""
        time_ms = self.median_ms if self.modelled_ms is None else self.modelled_ms
        assert time_ms is not None  # `_latency` has seen to it
        return time_ms


@dataclass(frozen=True)
class Drift:
    """A model's output on the target against the same file here: mean PSNR of both, shares of samples that differ by so many levels."""

    psnr_db: float
    here_psnr_db: float
    levels: Mapping[str, float]
    pictures: int
    side: int


@dataclass(frozen=True)
class Sustained:
    """A long run: its slowest stretch over its first, and (seconds, milliseconds a frame) along the way."""

    seconds: float
    slowdown: float
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Tuned:
    """What was found to be the fastest session options at one thread count: by which share of the default's time, with its interval."""

    threads: int
    size: str
    options: Mapping[str, str]
    default_ms: float
    best_ms: float
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One line of the bench table: a model or the trivial baseline, which costs nothing that is counted.

    `stage` is what its card says it went through, as `pruned qat`; empty of a baseline, as `precision` is.
    `flicker` is that of clips, in levels of 255: the mean difference of temporal differences to the truth's. `sharpness` is
    the output's Tenengrad over the truth's, where the task asks for it.
    """

    label: str
    is_baseline: bool
    file: str | None
    stage: str
    precision: str
    psnr_db: float
    ssim: float
    flicker: float | None
    sharpness: float | None
    pictures: Mapping[str, Mapping[str, float]]
    gain_db: float | None
    gain_interval_db: tuple[float, float] | None
    macs_720p: float | None
    params: float | None
    file_bytes: float | None
    load_ms: float | None
    peak_bytes: float | None
    latency: tuple[Latency, ...]
    drift: Drift | None
    sustained: Sustained | None
    tuned: tuple[Tuned, ...]


@dataclass(frozen=True)
class Crop:
    """The same place of one picture by every method: `pictures` maps `input`, each label and `truth` to PNG files.

    `box` is (left, top, right, bottom) in output pixels.
    """

    picture: str
    box: tuple[int, int, int, int]
    pictures: Mapping[str, Path]


@dataclass(frozen=True)
class BenchRecord:
    """A bench with the conventions that give its figures their meaning: metric, protocol, target."""

    stage: StageRecord
    task: str
    metric: str
    convention: str
    protocol: str
    target: str
    modelled: bool
    size: str
    images: tuple[str, ...]
    rows: tuple[Row, ...]
    crops: tuple[Crop, ...]

    @property
    def models(self) -> list[Row]:
        """The rows without the baseline."""
        return [row for row in self.rows if not row.is_baseline]

    @property
    def baseline(self) -> Row | None:
        """The trivial method's row."""
        return next((row for row in self.rows if row.is_baseline), None)

    @property
    def flickers(self) -> bool:
        """Whether clips were measured."""
        return any(row.flicker is not None for row in self.rows)

    @property
    def sharpens(self) -> bool:
        """Whether sharpness was measured."""
        return any(row.sharpness is not None for row in self.rows)

    @property
    def thread_counts(self) -> list[int]:
        """The thread counts that were measured, fewest first."""
        return sorted({latency.threads for row in self.rows for latency in row.latency})


def read_exports(stage: StageRecord) -> tuple[Exported, ...]:
    """The exported files, the newest record of each."""
    events = {event.get("file"): event for event in stage.every("exported")}
    return understood(stage.path / "events.jsonl", lambda: tuple(_exported(event) for event in events.values()))


def _exported(event: Mapping[str, Any]) -> Exported:
    return Exported(
        label=str(event["label"]),
        file=str(event["file"]),
        precision=str(event.get("precision", "float")),
        bytes=event.get("bytes"),
        opset=event.get("opset"),
        max_abs_error=event.get("max_abs_error"),
        loss_db=event.get("loss_db"),
        format=event.get("format"),
        sizes=tuple(_sides(size) for size in event.get("sizes") or ()),
    )


def _sides(size: Any) -> str:
    return size.replace("x", "×") if isinstance(size, str) else "×".join(map(str, size))


def read_bench(stage: StageRecord) -> BenchRecord | None:
    """The record of a bench, or None while it has not written its result; `DataError` for a crop that is gone."""
    path = stage.path / "bench.json"
    if not path.exists():
        return None
    data = mapping(path)
    return understood(path, lambda: _bench(stage, data))


def _bench(stage: StageRecord, data: Mapping[str, Any]) -> BenchRecord:
    target = data["target"]
    return BenchRecord(
        stage=stage,
        task=task_words(data),
        metric=str(data["metric"]),
        convention=str(data["convention"]),
        protocol=str(data.get("protocol", "")),
        target=str(target["label"]),
        modelled=bool(target.get("modelled", False)),
        size=str(data["size"]),
        images=tuple(str(image["name"]) for image in data["images"]),
        rows=tuple(_row(row) for row in data["rows"]),
        crops=tuple(_crop(stage.path, crop) for crop in data.get("crops", ())),
    )


def _row(row: Mapping[str, Any]) -> Row:
    bounds = row.get("gain_interval_db")
    return Row(
        label=str(row["label"]),
        is_baseline=row["kind"] == "baseline",
        file=row.get("file"),
        stage=str(row.get("stage") or ""),
        precision=str(row.get("precision") or ""),
        psnr_db=float(row["psnr_db"]),
        ssim=float(row["ssim"]),
        flicker=row.get("flicker"),
        sharpness=row.get("sharpness"),
        pictures=dict(row.get("pictures") or {}),
        gain_db=row.get("gain_db"),
        gain_interval_db=(float(bounds[0]), float(bounds[1])) if bounds else None,
        macs_720p=row.get("macs_720p"),
        params=row.get("params"),
        file_bytes=row.get("file_bytes"),
        load_ms=row.get("load_ms"),
        peak_bytes=row.get("peak_bytes"),
        latency=tuple(_latency(item) for item in row.get("latency") or ()),
        drift=_drift(row["on_target"]) if row.get("on_target") else None,
        sustained=_sustained(row["sustained"]) if row.get("sustained") else None,
        tuned=tuple(_tuned(item) for item in row.get("tuned") or ()),
    )


def _drift(data: Mapping[str, Any]) -> Drift:
    levels = {str(level): float(share) for level, share in data["from_here"].items()}
    return Drift(float(data["psnr_db"]), float(data["here_psnr_db"]), levels, int(data["pictures"]), int(data["side"]))


def _sustained(data: Mapping[str, Any]) -> Sustained:
    curve = tuple((float(second), float(ms)) for second, ms in data["curve"])
    return Sustained(float(data["seconds"]), float(data["slowdown"]), curve)


def _tuned(item: Mapping[str, Any]) -> Tuned:
    options = {str(name): str(value) for name, value in item["options"].items()}
    low, high = map(float, item["interval"])
    times = (float(item["default_ms"]), float(item["best_ms"]), float(item["gain"]))
    return Tuned(int(item["threads"]), str(item["size"]), options, *times, (low, high))


def _latency(item: Mapping[str, Any]) -> Latency:
    names = ("median_ms", "modelled_ms", "p90_ms", "p95_ms", "p99_ms", "min_ms", "variation", "repeats", "gmacs_per_s")
    if (item.get("median_ms") is None) is (item.get("modelled_ms") is None):
        raise ValueError("a latency is clocked or modelled, one of the two")
    return Latency(int(item["threads"]), **{name: item.get(name) for name in names})


def _crop(folder: Path, crop: Mapping[str, Any]) -> Crop:
    left, top, right, bottom = map(int, crop["box"])
    named = {"input": crop["input"], **crop["outputs"], "truth": crop["truth"]}
    pictures = {str(label): _inside(folder, file) for label, file in named.items()}
    return Crop(str(crop["picture"]), (left, top, right, bottom), pictures)


def _inside(folder: Path, file: str) -> Path:
    """The file of the record called `file`; a record shows nothing that lies outside of it."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"`{folder / 'bench.json'}` names the picture `{file}`, which lies outside of the record. Run the bench again.")
    if not path.is_file():
        raise DataError(f"`{path}` is missing, though `{folder / 'bench.json'}` names it. Restore it or run the bench again.")
    return path
