"""Rollouts: moving a stage's live traffic from one deployment to another, watched, and back by itself.

    observe   the endpoint as it stands → one View
    decide    View, plan, evidence, now → the next Action, with its reason; no I/O
    execute   one Action → one idempotent call
    run       observe, decide, say why, execute, again, with a deadline

Nothing is kept in a file: phase, colours and digest are tags of the endpoint, which change in the same
call as its traffic. To resume is to run again.
"""
