"""The registry of datasets and replicas, who may read them, and the vending of short-lived credentials."""
