"""Processes that serve together, and the one that starts, watches and replaces them."""
