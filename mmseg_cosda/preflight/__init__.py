"""One comparison of all that must agree, before the optimizer moves.

``facts`` says what is compared, ``samples``, ``networks`` and ``schedules`` gather it,
``rules`` compare, ``run`` does it within a Runner, ``weights`` judges checkpoints.
"""
