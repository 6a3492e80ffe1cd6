"""Data sets of drawn pictures, in memory for training and on disk for users."""
