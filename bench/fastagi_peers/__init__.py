"""FastAGI servers that play the same emergency call: ours, and the ones we compare with.

Each is a program: it prints the port it listens on and serves until SIGTERM. `WORDS` says what
the call is: twelve commands, the ones our own menu sends.
"""

SOUND = "siaga/selamat-datang"
KEYS = "0123456789*#ABCD"
