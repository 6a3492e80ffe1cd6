"""The embedded world: drawn animals whose truth is known, and small trained models of every class."""
