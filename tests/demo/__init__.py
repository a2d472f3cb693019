"""The demo as a person starts and stops it."""
