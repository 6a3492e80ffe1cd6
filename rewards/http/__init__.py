"""The jury's HTTP API."""
