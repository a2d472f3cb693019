"""Clusters of Dask: one list over the gateways of all sites, and the dashboards of the user's own clusters."""
