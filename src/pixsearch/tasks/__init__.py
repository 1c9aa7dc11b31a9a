"""What a model does to pixels, one file a task."""
