"""The sections of the YAML about judges."""
