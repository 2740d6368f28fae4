"""The site: the built notebooks of both languages, and pages around them, as a book that opens from disk."""
