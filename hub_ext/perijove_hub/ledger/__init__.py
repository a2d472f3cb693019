"""Who holds what: leases, homes, what sites showed; and the arithmetic of quotas."""
