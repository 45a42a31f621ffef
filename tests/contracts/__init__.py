"""What the services promise each other and their clients."""
