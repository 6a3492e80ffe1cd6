"""One family of pipelines a file, and the registry that finds them."""
