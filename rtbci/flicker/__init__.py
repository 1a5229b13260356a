"""Flicker on a display: what it can show, and the page that shows it."""
