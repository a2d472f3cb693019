"""Measurements of Perijove beside named peers: ``make bench``. What they find is in ``benchmarks/results``."""
