"""Raw frames: Bayer mosaics of sensors, out of .npy, plain 16-bit files and, with rawpy, DNG and cameras' own formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, PositiveFloat, PositiveInt

from pixsearch.config import Config
from pixsearch.errors import DataError, MachineError, UsageError
from pixsearch.pixels import light, mosaic

Pattern = Literal["rggb", "grbg", "gbrg", "bggr"]

PLAIN = (".raw", ".bin")
CAMERAS = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2")
SUFFIXES = (".npy", *PLAIN, *CAMERAS)

_OFFSETS = {"rggb": (0, 0), "grbg": (0, 1), "gbrg": (1, 0), "bggr": (1, 1)}  # rows and columns to put before it, so that it is RGGB
_LEAST = 4

Values = npt.NDArray[np.float32]


def _split(mark: str, count: int) -> BeforeValidator:
    """`640x480` or `2,1,1.6` as its parts."""

    def parts(value: Any) -> Any:
        found = value.lower().split(mark) if isinstance(value, str) else value
        if isinstance(found, list) and len(found) != count:
            raise ValueError(f"it takes {count} numbers with `{mark}` between them")
        return found

    return BeforeValidator(parts)


class RawConfig(Config):
    """What a raw frame does not say of itself; a DNG says all of it.

    `size` is (width, height) of a plain file; `pattern` the colours of the first 2×2 pixels; `black` and `white` the levels of
    no light and of saturation; `balance` the gains of red, green and blue, left out those that make the frame grey on average.
    """

    size: Annotated[tuple[PositiveInt, PositiveInt], _split("x", 2)] | None = None
    pattern: Pattern | None = None
    black: float | None = None
    white: float | None = None
    balance: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], _split(",", 3)] | None = None


@dataclass(frozen=True)
class Frame:
    """A mosaic (H, W) of sensor values with what gives them their meaning; `balance` None is to be found from the frame."""

    values: npt.NDArray[Any]
    pattern: Pattern
    black: float
    white: float
    balance: tuple[float, float, float] | None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture it becomes."""
        height, width = self.values.shape
        return height, width

    def signal(self) -> Values:
        """Packed planes (4, h, w) of the signal, black 0 and white 1, in the order of the pattern; an odd last row or column is left."""
        height, width = (side - side % 2 for side in self.size)
        signal = (self.values[:height, :width].astype(np.float32) - np.float32(self.black)) / np.float32(self.white - self.black)
        return mosaic.pack(np.broadcast_to(signal, (3, *signal.shape)))

    def levels(self) -> tuple[Values, tuple[int, int]]:
        """Packed sRGB levels (h, w, 4) of 0…255, balanced, of the frame as RGGB, and how many rows and columns were put before it.

        The frame is continued by its mirror image, which keeps the pattern; odd sides are made even behind it.
        """
        rows, columns = _OFFSETS[self.pattern]
        height, width = self.size
        behind = ((height + rows) % 2, (width + columns) % 2)
        whole = np.pad(self.values, ((rows, behind[0]), (columns, behind[1])), mode="reflect").astype(np.float32)
        signal = (whole - np.float32(self.black)) / np.float32(self.white - self.black)
        packed = mosaic.pack(np.broadcast_to(signal, (3, *signal.shape)))
        red, green, blue = self.balance or grey_balance(packed)
        gains = np.array([red, green, blue, green], np.float32)[:, np.newaxis, np.newaxis]
        levels: Values = np.moveaxis(light.from_linear(np.minimum(packed * gains, 1)), 0, -1) * np.float32(255)
        return np.ascontiguousarray(levels), (rows, columns)


def grey_balance(packed: Values) -> tuple[float, float, float]:
    """Gains of red, green and blue under which the mean of packed values (4, h, w) that are not saturated is grey."""
    lit = (packed < 0.98).all(axis=0)
    means = packed[:, lit].mean(axis=1) if lit.any() else packed.mean(axis=(1, 2))
    red, green, blue = float(means[0]), float(means[1] + means[3]) / 2, float(means[2])
    return green / max(red, 1e-4), 1.0, green / max(blue, 1e-4)


def read_raw(path: Path, config: RawConfig) -> Frame:
    """The frame in `path`; what `config` says goes before what the file says.

    A .npy holds a mosaic (H, W) or packed planes (h, w, 4) or (4, h, w) in the order of the pattern's rows, of any integer or float type.
    Raises `DataError` when the file cannot be read or does not fit, `UsageError` when something about it is not known,
    `MachineError` when rawpy is missing for a camera's format.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"`{path.name}` is no raw frame, which this model takes. Give one of {', '.join(SUFFIXES)}; photos are for other tasks."
        )
    try:
        frame = _of_camera(path) if suffix in CAMERAS else _of_values(_values(path, config), config)
    except OSError as error:
        raise DataError(f"`{path.name}` cannot be read ({error.strerror or error}). Check the path.") from error
    said = {name: value for name, value in config if value is not None and name != "size"}
    frame = replace(frame, **said)
    _check(frame, path)
    return frame


def _values(path: Path, config: RawConfig) -> npt.NDArray[Any]:
    return _of_plain(path, config.size) if path.suffix.lower() in PLAIN else _of_npy(path)


def _of_plain(path: Path, size: tuple[int, int] | None) -> npt.NDArray[Any]:
    """Little-endian values of 16 bits, row by row."""
    if size is None:
        raise UsageError(f"`{path.name}` is plain values, which say no size. Give it by `--raw-size WIDTHxHEIGHT`.")
    width, height = size
    values = np.fromfile(path, "<u2")
    if values.size != width * height:
        raise DataError(
            f"`{path.name}` holds {values.size} values of 16 bits, but {width}×{height} are {width * height}. Check `--raw-size`."
        )
    return values.reshape(height, width)


def _of_npy(path: Path) -> npt.NDArray[Any]:
    """A mosaic, or packed planes as one."""
    try:
        with path.open("rb") as file:
            values: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"`{path.name}` is no array that can be read ({error}). Write it by `numpy.save`.") from error
    if values.ndim == 3 and values.shape[-1] == 4:
        values = np.moveaxis(values, -1, 0)
    if values.ndim == 3 and values.shape[0] == 4:
        height, width = values.shape[1:]
        values = values.reshape(2, 2, height, width).transpose(2, 0, 3, 1).reshape(2 * height, 2 * width)
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise DataError(
            f"`{path.name}` holds {values.dtype} of shape {values.shape}. Give a mosaic (H, W) or packed planes (H, W, 4) of numbers."
        )
    return values


def _of_values(values: npt.NDArray[Any], config: RawConfig) -> Frame:
    if config.pattern is None or config.black is None or config.white is None:
        missing = " and ".join(f"`--raw-{name}`" for name in ("pattern", "black", "white") if getattr(config, name) is None)
        raise UsageError(f"A raw frame without a header does not say all that is needed. Give {missing}.")
    return Frame(values, config.pattern, config.black, config.white, None)


def _of_camera(path: Path) -> Frame:
    try:
        import rawpy
    except ImportError:
        raise MachineError(f"`{path.name}` needs rawpy, which is not installed. Run `pip install 'pixsearch[raw]'`.") from None
    try:
        with rawpy.imread(str(path)) as raw:
            values, colors = raw.raw_image_visible.copy(), raw.color_desc.decode().lower()
            pattern = "".join(colors[index] for index in raw.raw_pattern.ravel()) if raw.raw_pattern is not None else ""
            black, white = float(np.mean(raw.black_level_per_channel)), float(raw.white_level)
            red, green, blue = (float(gain) for gain in raw.camera_whitebalance[:3])
    except rawpy.LibRawError as error:
        raise DataError(f"`{path.name}` cannot be read ({error}). Is it a raw photo?") from error
    if pattern not in _OFFSETS:
        raise DataError(f"`{path.name}` has the colours `{pattern or 'none'}`; only Bayer patterns are known: {', '.join(_OFFSETS)}.")
    known = min(red, green, blue) > 0
    return Frame(values, pattern, black, white, (red / green, 1.0, blue / green) if known else None)  # type: ignore[arg-type]


def _check(frame: Frame, path: Path) -> None:
    if min(frame.size) < _LEAST:
        raise DataError(f"`{path.name}` is {frame.size[1]}×{frame.size[0]}; a mosaic has at least {_LEAST}×{_LEAST} pixels.")
    if not frame.black < frame.white:
        raise UsageError(
            f"The black level {frame.black:g} is not below the white level {frame.white:g}. Check `--raw-black` and `--raw-white`."
        )
    if not np.isfinite(frame.values).all():
        raise DataError(f"`{path.name}` holds values that are no numbers. Write it again.")
