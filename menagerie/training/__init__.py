"""What the recipes share: the training loop, model folders, tokenizers, pre-training."""
