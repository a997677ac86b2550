"""Made-up inputs for whatever reads what others wrote, and the corpus they are made from."""
