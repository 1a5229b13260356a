"""Cues on a web page, with measured onsets: server, its thread, and the page's files in `static/`."""
