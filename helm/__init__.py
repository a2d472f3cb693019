"""Helm charts, and the programs that keep them in step with the models."""
