"""``python -m npc_engine.cli``, for where scripts are not on the path."""

from npc_engine.cli.app import main

if __name__ == "__main__":
    main()
