"""How each of the small models is trained, one model a file."""
