"""The same platform of real processes that the tests of the hub have."""

from tests.support.bed_fixture import bed, bed_settings

__all__ = ["bed", "bed_settings"]
