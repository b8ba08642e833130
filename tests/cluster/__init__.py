"""Tests that need a Kubernetes: any will do whose KUBECONFIG is set."""
