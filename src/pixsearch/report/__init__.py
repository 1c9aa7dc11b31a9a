"""Show what a run recorded, from the record alone."""
