"""Find the architectures worth training."""
