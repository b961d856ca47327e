"""A server as one deploys it, with what systemd and Kubernetes are to know of it."""
