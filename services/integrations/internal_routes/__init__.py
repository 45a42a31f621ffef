"""What siblings may call."""
