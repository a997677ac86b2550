"""The sandbox's replies: JSON, XML, and Intuit's refusals."""
