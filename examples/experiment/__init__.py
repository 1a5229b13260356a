"""A closed-loop experiment, trial by trial; see README.md."""
