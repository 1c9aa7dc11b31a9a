"""Latency of cores that are not here: from the instructions an emulator executed to cycles, and from cycles to milliseconds."""
