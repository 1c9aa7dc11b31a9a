"""Accuracy and latency of exported models on a target."""
