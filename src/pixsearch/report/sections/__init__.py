"""The sections of the page, a file for each stage, all out of the record."""
