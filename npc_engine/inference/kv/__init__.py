"""Attention state: blocks (identity), slots (the running batch) and the tiers between them."""
