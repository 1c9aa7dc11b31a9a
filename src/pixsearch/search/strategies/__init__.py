"""Which genotype to try next, one file a strategy."""
