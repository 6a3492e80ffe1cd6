"""Metrics of a judge's predictions against labels."""
