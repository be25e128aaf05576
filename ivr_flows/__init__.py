"""What the caller hears: flows an admin edits, and the little machine that plays them."""
