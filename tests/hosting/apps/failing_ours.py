"""An application of ours that cannot start."""

from __future__ import annotations

from blackbull import BlackBull
from blackbull.errors import ConfigurationError

app = BlackBull()


@app.on_startup
async def start() -> None:
    raise ConfigurationError("there is no database: set DATABASE_URL")
