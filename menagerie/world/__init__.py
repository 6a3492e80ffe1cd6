"""The drawn world: animals, things, scenes, damage."""
