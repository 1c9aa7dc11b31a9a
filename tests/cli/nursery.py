"""Fork a process for every command line that is asked for on stdin, from one that has imported what most of them need.

ONNX Runtime is not imported here: it starts a thread of its own at once, and threads are not forked.

A request is a line of JSON: `arguments`, `folder`, `environment`, and the files `out` and `err`. The answers are two lines: the
process, and what it ended with.
"""

import gc
import json
import os
import runpy
import sys
from pathlib import Path

# ruff: noqa: F401
import cv2
import onnx
import torch


def become(arguments, folder, environment, out, err):
    """Be the process that runs this command."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with Path(os.devnull).open() as nothing, Path(out).open("w") as to, Path(err).open("w") as errors:
        for source, target in ((nothing, 0), (to, 1), (errors, 2)):
            os.dup2(source.fileno(), target)
    sys.argv = ["pixsearch", *arguments]


def answer(value):
    print(value, flush=True)


def main():
    """Fork until nobody asks any more; in a forked process, return."""
    gc.freeze()  # what is here already is not looked through, and so not copied, in every process
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            return True
        answer(child)
        answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return False


if __name__ == "__main__" and main():
    runpy.run_module("pixsearch.cli", run_name="__main__", alter_sys=True)
