"""Learning: advantages, objectives, the DeepSpeed engine, and the learners that use them."""
