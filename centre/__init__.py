"""The front door: joins every other package into one running centre and one command line."""
