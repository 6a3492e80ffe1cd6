"""Pictures from users, and text in pictures."""
