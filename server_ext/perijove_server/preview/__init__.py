"""Looks into single objects without a download.

The parent (``pool``, ``service``) runs in the Jupyter server and holds the credentials. The child (``child`` and all
else here) is a process of its own with limits on time and memory: it alone touches what the bytes mean, and it can
only ask its parent for ranges of the one object that it was given.
"""
