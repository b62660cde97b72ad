"""The only place that touches sockets: bytes in and out, no protocol."""
