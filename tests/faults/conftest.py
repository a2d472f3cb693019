"""A bed for each module that asks for one."""

from tests.support.bed_fixture import bed, bed_settings

__all__ = ["bed", "bed_settings"]
