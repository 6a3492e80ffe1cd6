"""Training judges: data sets of human feedback, and metrics of a judge against it."""
