"""Ways to tell somebody: a signed webhook, Slack's format, e-mail."""
