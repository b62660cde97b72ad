"""Spans for OpenTelemetry: what a request or a message has set in motion."""

from __future__ import annotations

from .extension import TracingExtension

__all__ = ["TracingExtension"]
