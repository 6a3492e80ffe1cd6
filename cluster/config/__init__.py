"""The experiment: its YAML, its checks, its errors in words."""
