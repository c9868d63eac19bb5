"""The bridge under load, on the mock: what clients feel when there are many of them, and some of them misbehave."""
