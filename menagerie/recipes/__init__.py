"""One model a file: how it is made."""
