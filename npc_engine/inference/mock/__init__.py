"""A generator without a model: deterministic lines for tests of games and of this server."""

MOCK = "mock"
"""What ``model`` is set to for it."""

END_TOKEN = "<|im_end|>"  # noqa: S105
"""What ends a turn in the chat template beside this file."""
