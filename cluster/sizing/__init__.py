"""What a run would take, told without its weights: memory, passes, bytes, downloads."""
