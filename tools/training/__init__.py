"""What the training scripts share: recordings, signals, networks, judgement. Never imported by rtbci."""
