"""`python -m centre`: the command line."""

from centre.cli import siaga

siaga(prog_name="siaga")
