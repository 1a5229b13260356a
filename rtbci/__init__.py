"""Real-time brain-computer interface runtime."""
