"""The parts of `tools/soak.py`: a stream with a fault every minute, and the judge of a run on it."""
