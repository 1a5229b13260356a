"""The neurofeedback page, and the baseline of a user."""
