"""A grid of letters whose rows and columns flash: what is shown when, the page that shows it, and what was spelled."""
