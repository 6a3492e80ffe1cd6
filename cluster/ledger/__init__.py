"""Tickets and weights, and the Ray actors that hold them."""
