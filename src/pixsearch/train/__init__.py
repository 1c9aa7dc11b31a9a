"""Train a network: one straight loop and what it stands on."""
