"""Where facts are kept and rows are read. SQLite by default, PostgreSQL by another URL."""
