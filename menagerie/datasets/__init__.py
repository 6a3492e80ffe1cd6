"""What is made of drawings for training."""
