"""Published decoders, trained and judged on the same causal signal and the same folds as ours."""
