"""Streams that misbehave on purpose: seeded faults, an LSL relay that sends them, and runs in simulated time."""
