"""Readers and writers of the papers' data sets."""
