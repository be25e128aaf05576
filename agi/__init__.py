"""The wire to Asterisk: FastAGI, the manager interface, and Asterisk's own journal."""
