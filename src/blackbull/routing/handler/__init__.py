"""Handlers: what they ask for, how they are called, what becomes of what they return."""

from __future__ import annotations

from .parameters import Parameter, Source
from .plan import Plan, compile_handler
from .returns import ReturnConverters

__all__ = ["Parameter", "Plan", "ReturnConverters", "Source", "compile_handler"]
