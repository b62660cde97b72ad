"""The names of the codec and of topics: control packets, properties, reason codes."""

from __future__ import annotations

from . import codec
from .codec import *  # noqa: F403 -- all of its names, under the path that people know
from .topics import topic_matches_filter, validate_topic_filter, validate_topic_name

__all__ = ["topic_matches_filter", "validate_topic_filter", "validate_topic_name"]
__all__ += codec.__all__
