"""The parts of `tools/fuzz.py`: readers of foreign bytes, samples for them, and what counts as a finding."""
