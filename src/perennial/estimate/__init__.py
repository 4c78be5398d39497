"""The budget of a study before it runs: what is to be done, and what it will cost on this machine.

`dry_run` asks Snakemake what is left, `kinds` groups the runs that cost alike, `rehearsal` trains a little of each
kind, `overheads` times what surrounds training, `memo` keeps both, `costs` adds up, `table` and `words` print.
`resources` is what training jobs ask a cluster for. Nothing here knows an algorithm or a problem by name.
"""
