"""Page by page through rows that change meanwhile, and lose none."""
