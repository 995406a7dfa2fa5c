from tsd_tf.training.loss_scale import LossScale


def test_the_scale_halves_at_an_overflow_and_grows_after_steps_without_one():
    loss_scale = LossScale(8.0, growth_steps=3)
    scales = []
    for overflowed in (False, False, True, False, False, False, False):
        loss_scale.update(overflowed)
        scales.append(float(loss_scale.scale))
    assert scales == [8.0, 8.0, 4.0, 4.0, 4.0, 8.0, 8.0]
    assert int(loss_scale.good_steps) == 1


def test_a_restored_one_goes_on_where_it_was():
    old, new = LossScale(8.0, growth_steps=3), LossScale(growth_steps=3)
    old.update(False)
    for variable, value in zip(new.variables, old.variables, strict=True):
        variable.assign(value)
    for _ in range(2):
        new.update(False)
    assert float(new.scale) == 16.0
