"""The Neuro game SDK's WebSocket protocol: games that were integrated for it are played by a persona."""
