"""Runs inside the emulator: one ncnn network with empty weights on a grey picture, the run between the marks that the plugin counts.

guest.py NETWORK.param SIDE
"""

from __future__ import annotations

import ctypes
import sys

import ncnn
import numpy as np

MARK, BEGIN, END = 0x50495853, 1, 2


def main() -> None:
    network = ncnn.Net()
    network.opt.num_threads = 1
    network.opt.use_vulkan_compute = False
    network.opt.lightmode = True
    network.load_param(sys.argv[1])
    network.load_model(ncnn.DataReaderFromEmpty())
    side = int(sys.argv[2])
    picture = ncnn.Mat(np.full((3, side, side), 0.01, np.float32))
    source, sink = network.input_names()[0], network.output_names()[-1]
    libc = ctypes.CDLL(None)
    for _ in range(2):  # the first run warms up; the plugin keeps the last one
        extractor = network.create_extractor()
        libc.prctl(MARK, ctypes.c_ulong(BEGIN), 0, 0, 0)
        extractor.input(source, picture)
        code, output = extractor.extract(sink)
        libc.prctl(MARK, ctypes.c_ulong(END), 0, 0, 0)
        assert code == 0, code
        assert output.w > 0


if __name__ == "__main__":
    main()
