"""Sans-IO codecs: machines that turn bytes into events and commands into bytes.

Nothing here opens a socket, reads a clock or logs; the standard library is all it needs.
"""
