"""Sites that are clusters of Kubernetes, through KubeSpawner."""

from perijove_hub.sites.kubernetes.cluster import Cluster
from perijove_hub.sites.kubernetes.site import KubernetesPods

__all__ = ["Cluster", "KubernetesPods"]
