"""What things are worth in the ledger: exchange rates, and the cost of sold goods."""
