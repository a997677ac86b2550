"""The grants of companies: connecting, refreshing, keeping alive, rotating keys."""
