"""Fitting and judging the SSVEP decoder."""
