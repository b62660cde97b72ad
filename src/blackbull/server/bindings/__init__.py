"""The drivers: each joins one sans-IO machine to a connection and to the application."""
