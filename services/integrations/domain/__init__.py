"""What integrations mean: sealed credentials, guarded calls, hooks and webhooks."""
