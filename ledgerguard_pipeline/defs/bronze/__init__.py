"""The Bronze assets, their resources and what they report."""
