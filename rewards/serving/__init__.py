"""Judges as replicas on Ray Serve, or in this process."""
