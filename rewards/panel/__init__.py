"""The panel: verdicts in, one reward out."""
