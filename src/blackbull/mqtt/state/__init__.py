"""The broker as pure state: no event loop, no clock, no await; one owner, one thing at a time.

``inbound.py`` turns a client's bytes into verbs of ``broker.py``; what the broker has to say to a
client is left in its ``Link``, and whoever drives the broker writes it after each batch.
"""
