"""Train a model on for int8: its int8 graph in torch, with rounding that gradients pass through."""
