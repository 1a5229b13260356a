"""What `tools/pretrain.py` is made of: readers, shards, batches, training. Never imported by rtbci."""
