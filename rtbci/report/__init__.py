"""Reports as single HTML pages: what they are drawn and rendered with, and that of a session."""
