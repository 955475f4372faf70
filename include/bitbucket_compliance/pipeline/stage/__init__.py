"""From landed JSON to typed tables."""
