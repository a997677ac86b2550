"""Silver: the books as typed tables, exact to the last digit."""
