"""Rest against mental arithmetic: sessions of EEGMAT, what else could tell the two apart, and the shipped profile."""
