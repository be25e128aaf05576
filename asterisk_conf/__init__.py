"""Asterisk's configuration, rendered from plain settings, and the sandboxed Asterisk to run it."""
