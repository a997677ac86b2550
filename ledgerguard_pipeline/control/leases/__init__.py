"""Exclusive rights that end by themselves, in SQL and in Redis."""
