"""Genotypes and their operators, with closed-form costs; knows no torch."""
