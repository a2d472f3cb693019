"""What each kind of catalogue of others answers, behind one interface."""

from perijove_hub.catalogue.providers.base import Provider
from perijove_hub.catalogue.providers.kinds import provider_of

__all__ = ["Provider", "provider_of"]
