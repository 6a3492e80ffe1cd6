"""Measurements that no test makes, as they take minutes of a quiet machine; each prints rates and ratios."""
