"""NPC Engine: a local process that keeps the minds of many game characters."""

__version__ = "0.1.0"
