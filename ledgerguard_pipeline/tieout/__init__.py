"""Proof that the copy is the books: the journal, and Intuit's own reports to compare it with."""
