"""The sound of a video, which OpenCV drops: put back by ffmpeg where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Literal

Sound = Literal["kept", "none", "lost"]
"""Whether a result has its source's sound, its source has none, or it was lost (no ffmpeg, or it failed)."""

_CODECS = (("copy",), ("aac",))  # what the new file can hold as it is, else encoded anew


def give_sound(silent: Path, source: Path) -> tuple[Sound, str]:
    """Put the sound of the video `source` into the video `silent`, whose pictures stay as they are; and what to say about it."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return "lost", "without sound: there is no ffmpeg to copy it"
    told = subprocess.run(
        [ffmpeg, "-nostdin", "-hide_banner", "-i", str(source)], capture_output=True, text=True, errors="replace", check=False
    )
    if "Audio:" not in told.stderr:
        return "none", "the source has no sound"
    made = silent.with_name(f"{silent.stem}.sound{silent.suffix}")
    for codec in _CODECS:
        streams = ["-map", "0:v:0", "-map", "1:a", "-c:v", "copy", "-c:a", *codec]
        command = [ffmpeg, "-nostdin", "-y", "-v", "error", "-i", str(silent), "-i", str(source), *streams, str(made)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            made.replace(silent)
            return "kept", "with its sound"
    made.unlink(missing_ok=True)
    reason = done.stderr.strip().rpartition("\n")[2]
    return "lost", f"without sound: ffmpeg could not copy it ({reason})"
