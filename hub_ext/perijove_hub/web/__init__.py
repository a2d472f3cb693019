"""HTTP of the hub's services: handlers do HTTP, the rooms below decide."""
