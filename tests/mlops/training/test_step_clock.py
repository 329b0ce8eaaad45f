from mlops.training.following import StepClock


def test_step_is_timed_from_its_first_running_look_to_its_first_finished_look() -> None:
    clock = StepClock()

    seen = []
    for now, status in ((0.0, "NotStarted"), (1.0, "Running"), (2.5, "Running"), (4.0, "Completed")):
        seen.append(clock.seconds("step", status, now))
        clock.looked(now)

    assert seen == [None, 0.0, 1.5, 3.0]
    assert clock.seconds("step", "Completed", 100.0) == 3.0


def test_step_that_ran_between_two_looks_took_at_most_the_pause() -> None:
    clock = StepClock()
    clock.looked(2.0)

    assert clock.seconds("quick", "Completed", 2.2) == 2.2 - 2.0


def test_waiting_step_has_no_time() -> None:
    assert StepClock().seconds("step", "Queued", 3.0) is None
