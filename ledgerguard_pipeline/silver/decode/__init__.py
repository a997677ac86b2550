"""From payloads to rows: at once through Arrow, or one by one where that cannot be exact."""
