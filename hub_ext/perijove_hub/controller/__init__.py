"""The loops that nobody calls."""
