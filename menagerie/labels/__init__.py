"""Ground-truth labels of drawn pictures: questions, mismatches, scores, ratings."""
