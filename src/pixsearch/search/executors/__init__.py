"""Where candidates are evaluated, one file an executor."""
