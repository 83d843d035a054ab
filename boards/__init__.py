"""One fact sheet a board."""
