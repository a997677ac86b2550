"""A company's books: objects, postings, and the truth to compare with."""
