"""Sessions on disk: an XDF file that is written while the decoder runs, read back, mended and exported."""
