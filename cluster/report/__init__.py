"""What is drawn from the files of a run: its report, and runs compared."""
