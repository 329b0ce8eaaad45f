"""Rollouts: move a stage's live traffic from one deployment to another, monitored, with automatic rollback.

    observe   the current state of the endpoint → one View
    decide    View, plan, evidence, now → the next Action, with its reason; no I/O
    execute   one Action → one idempotent call
    run       observe, decide, report why, execute, repeat, with a deadline

Nothing is kept in a file: phase, colours and digest are tags of the endpoint, which change in the same
call as its traffic. To resume, run again.
"""
