"""The ``blackbull`` command."""
