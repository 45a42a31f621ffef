"""Pattern mining: arrays in, patterns out, with no I/O of its own."""
