"""Which provider speaks to which kind of catalogue."""

from __future__ import annotations

from perijove_hub.catalogue.providers.base import Provider
from perijove_hub.catalogue.providers.cds import CdsProvider
from perijove_hub.catalogue.providers.http_index import HttpIndexProvider
from perijove_hub.catalogue.providers.s3_prefix import S3PrefixProvider
from perijove_hub.catalogue.providers.stac import StacProvider
from perijove_hub.catalogue.providers.vo_positions import ConeSearchProvider, ImageSearchProvider
from perijove_hub.catalogue.providers.vo_tables import TapProvider
from perijove_hub.policy.catalogues import CatalogueSpec

_KINDS: dict[str, type[Provider]] = {
    "stac": StacProvider,
    "tap": TapProvider,
    "sia": ImageSearchProvider,
    "scs": ConeSearchProvider,
    "http": HttpIndexProvider,
    "s3": S3PrefixProvider,
    "cds": CdsProvider,
}


def provider_of(spec: CatalogueSpec) -> Provider:
    """The provider of a catalogue."""
    return _KINDS[spec.kind](spec)
