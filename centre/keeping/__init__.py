"""What the keeper keeps: the journal, the seats, the recordings, the disk, and lost calls."""
