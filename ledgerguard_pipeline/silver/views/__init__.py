"""Views for readers on top of Silver's tables: dimensions, open items, sales and spending."""
