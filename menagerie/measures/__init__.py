"""Quality and speed of the small models, and their model cards."""
