"""Fitting and judging the P300 decoder."""
