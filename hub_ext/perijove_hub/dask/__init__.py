"""Dask Gateways inside the quota: backends that ask control for a lease before they start anything.

A gateway takes one of them in its configuration, as ``c.DaskGateway.backend_class``:

- ``perijove_hub.dask.local.PerijoveLocalBackend`` runs clusters as processes of this machine;
- ``perijove_hub.dask.kubernetes.PerijoveKubeBackend`` as pods.

Both are :class:`~perijove_hub.dask.governed.GovernedBackend` over a backend of Dask Gateway. Nothing here imports
JupyterHub or a database: a gateway is not the hub's process.
"""
