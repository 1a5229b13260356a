"""Items that flash: windows with what was meant by them, fitting and judging a decoder of flashes."""
