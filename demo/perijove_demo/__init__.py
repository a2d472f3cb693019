"""The one-machine platform: its clouds, its data, its supervisor."""
