from study import data


def test_data_sets_of_a_study_have_twelve_actions_and_eight_directions():
    assert {name: len(scene.class_names) for name, scene in data.SCENES.items()} == {
        "main": 12,
        "map": 12,
        "target": 12,
        "axis": 12,
        "direction": 8,
    }
    assert {scene.num_frames for scene in data.SCENES.values()} == {data.NUM_FRAMES}
