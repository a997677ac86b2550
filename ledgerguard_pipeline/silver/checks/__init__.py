"""What must hold of Silver's tables of one entity type and company."""
