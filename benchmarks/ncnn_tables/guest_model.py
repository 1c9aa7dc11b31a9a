"""Runs inside the emulator: one ncnn network with its weights on given planes, the run between the marks that the plugin counts.

guest_model.py NETWORK.param NETWORK.bin PLANES.npy OUTPUT.npy HALF     HALF 1 lets ncnn compute in 16-bit floats where the core can
"""

from __future__ import annotations

import ctypes
import sys

import ncnn
import numpy as np

MARK, BEGIN, END = 0x50495853, 1, 2


def main() -> None:
    param, weights, planes, output, half = sys.argv[1:]
    network = ncnn.Net()
    network.opt.num_threads = 1
    network.opt.use_vulkan_compute = False
    network.opt.lightmode = True
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(network.opt, name, half == "1")
    assert network.load_param(param) == 0
    assert network.load_model(weights) == 0
    values = np.load(planes)  # ncnn borrows its memory
    picture = ncnn.Mat(values)
    libc = ctypes.CDLL(None)
    for _ in range(2):  # the first run warms up; the plugin keeps the last one
        extractor = network.create_extractor()
        libc.prctl(MARK, ctypes.c_ulong(BEGIN), 0, 0, 0)
        extractor.input("input", picture)
        code, result = extractor.extract("output")
        libc.prctl(MARK, ctypes.c_ulong(END), 0, 0, 0)
        assert code == 0, code
    np.save(output, np.array(result))


if __name__ == "__main__":
    main()
