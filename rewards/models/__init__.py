"""The networks that judges run."""
