"""What preflight looks at, one subject a file: each yields a line for every problem that it finds."""
