"""Where weights come from, and how a batch is run through them."""
