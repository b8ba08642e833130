"""A suite as a Job of the cluster: its runner here, and its agent in the pod."""
