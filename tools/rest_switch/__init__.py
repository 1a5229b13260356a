"""The switch of imagery against rest: what `tools.train_rest_switch` is made of."""
