"""Photos on disk, checked, cached and drawn as batches."""
