"""What a learner eats: batches in a fixed order, which can be resumed in the middle."""
