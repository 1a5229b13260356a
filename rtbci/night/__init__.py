"""Nights: hypnograms and what is computed from them, scored recordings, fitting and judging a decoder of stages."""
