"""Verdicts in, one reward out."""
