"""The jury: judges as replicas on Ray Serve, or in one process."""
