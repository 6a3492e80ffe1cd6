"""The drawn world: animals, things, scenes, captions, artifacts."""
