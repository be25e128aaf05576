"""The recordings of calls: what was written, whether it is whole, and room for the next."""
