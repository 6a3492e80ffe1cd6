"""The experiment: its YAML, its checks, and its errors in plain words."""
