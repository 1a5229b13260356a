"""Judging decoders on recordings with cues: the running decoder itself, on people it has not seen."""
