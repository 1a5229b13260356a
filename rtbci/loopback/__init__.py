"""A run on this computer, watched from outside: predictions due and missed, memory, CPU, and the verdict on it."""
