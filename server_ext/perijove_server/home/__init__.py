"""The user's home: what takes its room, and the page that makes some."""
