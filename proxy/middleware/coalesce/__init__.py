"""Equal requests that are under way share one call of the upstream."""
