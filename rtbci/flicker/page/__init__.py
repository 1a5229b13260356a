"""The page that shows flickering targets."""
