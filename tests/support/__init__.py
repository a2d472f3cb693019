"""Emulators and test beds: fakes at the far edge, shared by all tests."""
