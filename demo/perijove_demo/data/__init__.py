"""The demo's data: a generated sky and real samples out of installed packages, built and brought to the clouds."""

from perijove_demo.data.build import build_demo_data
from perijove_demo.data.catalogue import buckets, load_datasets, with_endpoints

__all__ = ["buckets", "build_demo_data", "load_datasets", "with_endpoints"]
