"""The learner on DeepSpeed and Ray Train."""
