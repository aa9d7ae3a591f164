"""How good the suggested learning rates are: lrfind and the existing finders, scored against brute force.

Run from the root of the repository, with `benchmarks` on PYTHONPATH (`make bench-accuracy` does all of it):

    python -m accuracy.truth      # train every task at every learning rate of a grid: the truth
    python -m accuracy.finders    # let every finder suggest, from five seeds
    python -m accuracy.refusals   # is a run without a learning rate to find refused, for the right reason?
    python -m accuracy.score      # regret of every suggestion, as Markdown tables
"""
