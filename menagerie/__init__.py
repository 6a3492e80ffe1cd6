"""The embedded world: drawn pictures with ground truth, and small trained models of every class."""
