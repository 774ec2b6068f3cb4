"""What is run by hand to keep this repository up to date. Nothing here is in the wheel."""
