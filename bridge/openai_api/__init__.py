"""OpenAI's HTTP API in front of the same engine, so that mods which speak it already work unchanged."""
