"""Where samples come from: sources, the ring, the acquisition thread, and what their stamps and labels say."""
