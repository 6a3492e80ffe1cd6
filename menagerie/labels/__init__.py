"""What is known of a drawing."""
