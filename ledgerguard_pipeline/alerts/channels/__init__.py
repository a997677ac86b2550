"""Ways to send an alert: a signed webhook, Slack's format, e-mail."""
