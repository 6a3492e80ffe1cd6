"""Sections of the YAML about judges that are not one judge's own."""
