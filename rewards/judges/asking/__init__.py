"""Judges that put yes-no questions to a vision-language model."""
