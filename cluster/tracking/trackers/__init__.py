"""Where a run's curves go besides its own directory: W&B, TensorBoard, trackio."""
