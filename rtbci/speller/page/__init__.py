"""The page that shows a grid of letters, of which rows and columns flash."""
