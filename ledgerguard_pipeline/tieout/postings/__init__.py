"""The legs of documents by Intuit's posting rules: a second witness beside the journal."""
