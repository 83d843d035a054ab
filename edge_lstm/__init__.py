"""Compact LSTMs from sensor recordings to small devices."""
