"""The command line: one small file per command. Heavy imports wait until a command needs them."""

from npc_engine.cli.app import main

__all__ = ["main"]
