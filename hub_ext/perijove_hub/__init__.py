"""The hub's side of Perijove: placement, admission, ledger, catalogue, sites and the services that speak for them."""

__version__ = "0.1.0"
