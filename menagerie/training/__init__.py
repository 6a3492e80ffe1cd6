"""What the recipes share: the loop, the folders, pre-training."""
