"""`task quality`: what the miner finds, judged on made logs and on whatever recorded activity a folder holds."""
