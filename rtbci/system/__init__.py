"""What operating systems do differently: locks, names, processes, keys. Nothing else in `rtbci/` asks which one it is."""
