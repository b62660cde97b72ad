"""Processes that serve: today one, restarted on demand while its source is being changed."""
