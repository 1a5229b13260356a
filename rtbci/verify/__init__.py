"""Decoding a recorded session again, and comparing every prediction."""
