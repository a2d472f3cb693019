"""The platform file: its models, its loading, its JSON schema. The ground floor: imports no other room of the hub."""

from perijove_hub.policy.load import PlatformFileError, load_platform, parse_platform
from perijove_hub.policy.models import Platform

__all__ = ["Platform", "PlatformFileError", "load_platform", "parse_platform"]
