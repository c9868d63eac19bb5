"""What designers write: personas and worlds in YAML, loaded, checked and explained."""
