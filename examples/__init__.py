"""Programs that use rtbci: a game, and a bar that shows what a decoder says."""
