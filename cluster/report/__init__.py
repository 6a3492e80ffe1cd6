"""What is drawn from a run's records afterwards."""
