"""The live page: a program of its own that listens to a run through its messages alone, and serves browsers."""
