"""What users hand in, read with doubt: files, and the values in them."""
