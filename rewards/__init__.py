"""Judging: judges, their verdicts, the panel that makes one reward of them, and the Serve replicas."""
