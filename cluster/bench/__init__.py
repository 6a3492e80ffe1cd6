"""How fast each part of a run is, and what memory it takes: one process, no Ray, real shapes."""
