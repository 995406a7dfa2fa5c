"""Learning rates."""


def learning_rate(stage, step):
    """The rate of step `step` (0, 1, ...) of a Stage: multi-step decay (Section 4.2).

    A stage that decays at steps b_1 < b_2 < ... trains step s at learning_rate * decay_factor ** #{b_i <= s}.
    """
    return stage.learning_rate * stage.decay_factor ** sum(step >= boundary for boundary in stage.boundaries)
