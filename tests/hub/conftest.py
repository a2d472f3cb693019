"""A bed for each module."""

from tests.support.bed_fixture import bed, bed_settings

__all__ = ["bed", "bed_settings"]
