"""Released data sets of human feedback on generated pictures, read and written."""
