"""What the workflow asks before anything runs: blocks of seeds, what is to be made again, and the hashes of code."""
