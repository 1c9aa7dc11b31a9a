"""Per-layer formats of a quantized model, chosen by evolution: what a layer loses in 8 bits against what it costs in more."""
