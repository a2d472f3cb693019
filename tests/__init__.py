"""Tests of Perijove: unit (pure and fast), hub, server, integration (real processes), and what supports them."""
