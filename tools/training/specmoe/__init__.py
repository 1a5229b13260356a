"""What `tools/train_specmoe.py` is made of. Never imported by rtbci."""
