"""``python -m npc_engine.cli``, for where scripts are not on the path."""

from npc_engine.cli.app import main

main()
