"""Everything the processes of an installation share besides Bronze."""
