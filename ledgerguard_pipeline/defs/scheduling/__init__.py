"""What starts runs of single companies: schedules, new companies, webhooks."""
