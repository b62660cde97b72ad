"""``python -m blackbull module:app``: the same as the ``blackbull`` command."""

from __future__ import annotations

from blackbull.cli.command import main

if __name__ == "__main__":
    main()
