"""Training the judges themselves."""
