"""Tokens in, tokens out. Has never heard of an NPC, and imports no other room."""
