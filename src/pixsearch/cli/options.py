"""Options that several subcommands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pixsearch.errors import UsageError

TASK = "Task"
DATA = "Photos"
RECORD = "Record and output"
BUDGET = "Budget"
WORKERS = "Workers"

Photos = Annotated[
    list[Path] | None, typer.Option("--data", help="Photos to train from: folders or files; repeat it.", rich_help_panel=DATA)
]
Val = Annotated[
    list[Path] | None,
    typer.Option("--val", help="Photos to select by; without it a share of the photos is held out by whole groups.", rich_help_panel=DATA),
]
Pairs = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--pairs", metavar="INPUTS TRUTHS", help="Your own pairs: a folder of inputs and one of truths.", rich_help_panel=DATA),
]
ValPairs = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--val-pairs", metavar="INPUTS TRUTHS", help="Your own pairs to select by.", rich_help_panel=DATA),
]
Reduce = Annotated[
    str | None, typer.Option("--reduce", metavar="auto|1|2|4", help="Shrink JPEGs before they count as clean.", rich_help_panel=DATA)
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Folder of the decoded pictures.", rich_help_panel=DATA)]
CacheCap = Annotated[
    str | None, typer.Option("--cache-cap", metavar="SIZE", help="Refuse to cache more than this, e.g. 20GB.", rich_help_panel=DATA)
]

TaskName = Annotated[
    str | None,
    typer.Option("--task", metavar="sr|denoise|jdd|enhance|video-sr|video-denoise", help="What the model does (sr).", rich_help_panel=TASK),
]
Scale = Annotated[int | None, typer.Option("--scale", help="sr, video-sr: output side over input side, 2, 3 or 4.", rich_help_panel=TASK)]
Color = Annotated[
    str | None,
    typer.Option("--color", metavar="y|rgb", help="All but jdd, enhance: luma or RGB.", rich_help_panel=TASK),
]
Sigma = Annotated[
    str | None,
    typer.Option("--sigma", metavar="N|N-M", help="Denoising: strength of Gaussian noise, in levels of 255.", rich_help_panel=TASK),
]
Noise = Annotated[
    str | None,
    typer.Option("--noise", metavar="gaussian|camera|none", help="denoise, jdd: which noise; a camera's for jdd.", rich_help_panel=TASK),
]
Window = Annotated[
    int | None,
    typer.Option("--window", metavar="1|3|5|7", help="video-sr, video-denoise: frames a network may see at once.", rich_help_panel=TASK),
]

Out = Annotated[Path | None, typer.Option("--out", metavar="RUN", help="The run's folder.", rich_help_panel=RECORD)]
Resume = Annotated[
    Path | None,
    typer.Option("--resume", metavar="RUN", help="Go on where this run was stopped; budgets may be given anew.", rich_help_panel=RECORD),
]
Again = Annotated[bool, typer.Option("--again", help="Set this stage's earlier record aside and start anew.", rich_help_panel=RECORD)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, progress on stderr.", rich_help_panel=RECORD)]
Seed = Annotated[int | None, typer.Option("--seed", help="All randomness follows from it.")]

Budget = Annotated[str | None, typer.Option("--budget", metavar="TIME", help="Wall time, e.g. 90s, 10m, 1h.", rich_help_panel=BUDGET)]
Steps = Annotated[
    int | None, typer.Option("--steps", help="Training steps, instead of a time; repeatable to the bit.", rich_help_panel=BUDGET)
]
Batch = Annotated[int | None, typer.Option("--batch", help="Patches a step, in each process.", rich_help_panel=BUDGET)]
Patch = Annotated[int | None, typer.Option("--patch", help="Side of an input patch in pixels.", rich_help_panel=BUDGET)]
Threads = Annotated[int | None, typer.Option("--threads", help="Torch threads of the training.", rich_help_panel=BUDGET)]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1; by default the GPU if there is one.", rich_help_panel=BUDGET)
]

Optimizer = Annotated[
    str | None, typer.Option("--optimizer", metavar="muon|adam|sgd", help="How weights follow gradients.", rich_help_panel=BUDGET)
]
Ema = Annotated[
    float | None,
    typer.Option("--ema", metavar="DECAY", help="Decay of the averaged weights, which the model gets.", rich_help_panel=BUDGET),
]
Patience = Annotated[
    int | None, typer.Option("--patience", metavar="N", help="End early after N validations without a gain.", rich_help_panel=BUDGET)
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the network (torch.compile): slow to begin with.", rich_help_panel=BUDGET)
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write the progress to RUN/train/tensorboard, too.", rich_help_panel=RECORD)
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", help="Processes that judge candidates, one torch thread each unless --threads says more.", rich_help_panel=WORKERS
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="inprocess|pool|ray",
        help="Where candidates are judged; --workers alone means pool.",
        rich_help_panel=WORKERS,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="auto|HOST:PORT", help="A Ray cluster that runs already; its nodes must see --cache.", rich_help_panel=WORKERS
    ),
]
CandidateLimit = Annotated[
    str | None,
    typer.Option(
        "--candidate-limit", metavar="TIME", help="End a candidate that takes longer, e.g. 5m (with workers).", rich_help_panel=WORKERS
    ),
]
CandidateMemory = Annotated[
    str | None,
    typer.Option(
        "--candidate-memory", metavar="SIZE", help="End a candidate that takes more, e.g. 4GiB (with workers).", rich_help_panel=WORKERS
    ),
]


Level = Annotated[
    bool, typer.Option("--noise-level", help="denoise: tell the network the strength, as a plane (FFDNet).", rich_help_panel=TASK)
]
Shot = Annotated[
    float | None,
    typer.Option("--shot", help="A camera's shot noise: its variance over the signal (0 to 1).", rich_help_panel=TASK),
]
Read = Annotated[float | None, typer.Option("--read", help="Its read noise: the variance in the dark.", rich_help_panel=TASK)]

RAW = "Raw frames"
RawSize = Annotated[str | None, typer.Option("--raw-size", metavar="WxH", help="Size of a plain 16-bit file.", rich_help_panel=RAW)]
RawPattern = Annotated[
    str | None, typer.Option("--raw-pattern", metavar="rggb|grbg|gbrg|bggr", help="Colours of the first 2×2 pixels.", rich_help_panel=RAW)
]
RawBlack = Annotated[float | None, typer.Option("--raw-black", help="Level of no light.", rich_help_panel=RAW)]
RawWhite = Annotated[float | None, typer.Option("--raw-white", help="Level of saturation.", rich_help_panel=RAW)]


def task_of(
    name: str | None,
    scale: int | None,
    color: str | None,
    sigma: str | None,
    noise: str | None,
    shot: float | None,
    read: float | None,
    level: bool,
    window: int | None,
) -> dict[str, object]:
    """The settings of the task that were given."""
    noises = given(sigma=sigma, noise=noise, shot=shot, read=read, level=level or None)
    return {**given(name=name, scale=scale, color=color, window=window), **noises}


def target_of(target: str | None, device: str | None) -> str | None:
    """The target that one of two options names."""
    if device and target:
        raise UsageError(f"`--device {device}` and `--target {target}` both say where. Give one of them.")
    return f"arm64:{device}" if device else target


def with_provider(target: str | None, provider: str | None) -> str | None:
    """`target`, which must be a phone by adb, with a provider to run on."""
    if provider is None:
        return target
    if target is None or target.partition(":")[0] != "adb":
        raise UsageError(f"`--ep {provider}` is for phones: give `--target adb` with it, not `{target or 'local'}`.")
    return f"{target}{'' if ':' in target else ':'}+{provider}"


def crew(
    workers: int | None, executor: str | None, address: str | None, candidate_limit: str | None, candidate_memory: str | None
) -> dict[str, object]:
    """The settings of who judges candidates; workers or an address name their executor, also where a record has another."""
    from pixsearch.search.config import implied_executor

    return given(
        executor=executor or implied_executor(workers, address),
        workers=workers,
        address=address,
        candidate_limit_s=candidate_limit,
        candidate_memory_bytes=candidate_memory,
    )


def given(**options: object) -> dict[str, object]:
    """The options that were given, so that defaults stay with the settings they belong to; paths become absolute."""
    return {key: absolute(value) for key, value in options.items() if value is not None}


def absolute(value: Any) -> Any:
    """A path, or every path in a list, as an absolute one: a record stays valid in another folder."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, list | tuple):
        return type(value)(absolute(part) for part in value)
    return value
